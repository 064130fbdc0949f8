-- How an incident ended: recovered, adopted (what is worse has become usual), removed, by_hand, absorbed.
ALTER TABLE incident ADD COLUMN ending TEXT NOT NULL DEFAULT '';
