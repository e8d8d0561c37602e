-- question: At which leaves are the events with the source's id $id?
SELECT leaf_index FROM events WHERE event_id = $id ORDER BY leaf_index
