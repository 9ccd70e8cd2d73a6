//! Measures of the user's own: commands, files and HTTP, each with its own deadline.
