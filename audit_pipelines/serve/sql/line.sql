-- question: What is the line of a format for the event at leaf $leaf? `formatted` is the format's SELECT over `events`.
SELECT line FROM formatted WHERE leaf_index = $leaf
