"""One trial, from its specification to its record: data, teacher, student, loss, loop."""
