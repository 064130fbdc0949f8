-- What tests have put on each physical line, by the calendar day (of the unit that has the line) they began on.
-- A run is charged with all it may use before it begins, and what it did not use is given back at its end.
CREATE TABLE line_use (
    line  TEXT NOT NULL,                    -- unit/asset
    day   TEXT NOT NULL,                    -- YYYY-MM-DD
    bytes INTEGER NOT NULL,                 -- both directions
    ms    INTEGER NOT NULL,                 -- how long tests were under way
    PRIMARY KEY (line, day)
) WITHOUT ROWID;
