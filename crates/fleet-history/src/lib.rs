//! Samples kept on disk: daily files, roll-ups, retention, queries.
