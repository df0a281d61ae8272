//! The real programs, end to end, and the checks of the repository's own rules.

#[cfg(test)]
mod tidy;
