"""The sandbox around unreviewed code: what it shows, and a check of what that gives away."""
