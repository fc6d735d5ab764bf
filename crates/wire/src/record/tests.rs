//! Records: goldens, bounds, hostile bytes.
