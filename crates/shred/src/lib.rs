//! An embedded record log whose deletions are real.
