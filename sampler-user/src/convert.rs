//! The verb convert: any trace in, any format out. It refuses to know a format's bytes.
