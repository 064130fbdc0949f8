"""The way to go-live: milestones and waves, who mends what by when, and what that means for the dates."""
