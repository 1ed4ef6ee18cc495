-- Sealed values are bound to their rows from here on, which no older hub reads. The rows themselves are sealed anew by the program
-- (archive/bound_rows.rs): it has the keys.
SELECT 1;
