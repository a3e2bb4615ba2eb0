"""Floor 6: the database. `engine` opens it, `tables` says what is in it, and each table has one file of queries."""
