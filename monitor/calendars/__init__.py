"""When something holds: calendars of workdays and hours, and windows by the clock on the wall."""
