//! The head, the journal's records and the commit path, above the Store trait.
