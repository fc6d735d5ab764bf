//! The tables of one day by their meaning, and sets of them.

use deaddrop_wire::SizeClass;

/// A table of a day. Each counts mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Mailboxes into which a blob was put, that a reader claimed, or of which an ack destroyed a
    /// blob.
    Used,
    /// Mailboxes into which a blob of 4 KiB was put.
    Small,
    /// Mailboxes into which a blob of 16 KiB was put.
    Medium,
    /// Mailboxes into which a blob of 64 KiB was put.
    Large,
    /// Mailboxes of which an ack destroyed a blob on the day of its put.
    SameDay,
    /// Mailboxes of which an ack destroyed a blob on the day after its put.
    NextDay,
    /// Mailboxes of which an ack destroyed a blob 2 to 6 days after its put.
    TwoDays,
    /// Mailboxes of which an ack destroyed a blob 7 or more days after its put.
    SevenDays,
}

/// Number of tables of a day.
pub(crate) const TABLES: usize = 8;

impl Table {
    /// All tables, in the order in which a record has them.
    pub(crate) const ALL: [Self; TABLES] = [
        Self::Used,
        Self::Small,
        Self::Medium,
        Self::Large,
        Self::SameDay,
        Self::NextDay,
        Self::TwoDays,
        Self::SevenDays,
    ];

    /// Returns the table of mailboxes into which a blob of this class was put.
    pub(crate) const fn of_class(class: SizeClass) -> Self {
        match class {
            SizeClass::Small => Self::Small,
            SizeClass::Medium => Self::Medium,
            SizeClass::Large => Self::Large,
        }
    }

    /// Returns the table of mailboxes of which an ack destroyed a blob this many days after its
    /// put.
    pub(crate) const fn of_delay(days: u32) -> Self {
        match days {
            0 => Self::SameDay,
            1 => Self::NextDay,
            2..=6 => Self::TwoDays,
            _ => Self::SevenDays,
        }
    }
}

/// A set of tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableSet(u8);

impl TableSet {
    /// Returns the set with this table in addition.
    #[must_use]
    pub(crate) const fn with(self, table: Table) -> Self {
        Self(self.0 | 1 << table as u8)
    }

    /// Whether the table is in the set.
    pub(crate) const fn has(self, table: Table) -> bool {
        self.0 >> table as u8 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_a_place_of_its_own_in_a_set() {
        for table in Table::ALL {
            let set = TableSet::default().with(table);
            assert!(Table::ALL.iter().all(|other| set.has(*other) == (*other == table)));
        }
    }

    #[test]
    fn delays_are_classes_without_gaps() {
        let tables = [0, 1, 2, 6, 7, u32::MAX].map(Table::of_delay);
        let [same, next, two, seven] = [Table::SameDay, Table::NextDay, Table::TwoDays, Table::SevenDays];
        assert_eq!(tables, [same, next, two, two, seven, seven]);
    }
}
