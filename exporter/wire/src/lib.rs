//! The JSON that /system answers with: each field with its unit and source.
