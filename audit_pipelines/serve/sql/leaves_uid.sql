-- question: At which leaf is the event with the uid $id?
SELECT leaf_index FROM events WHERE uid = $id ORDER BY leaf_index
