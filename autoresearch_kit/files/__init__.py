"""Files of this machine: whole writes, bounded reads, removal, locks, and a campaign's folder."""
