//! Rows: what each thread did, from when to when. It refuses to know processes, Python and files.
