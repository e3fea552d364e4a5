//! A message taken apart and put together: header fields, MIME tree, encoded words.
