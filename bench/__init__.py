"""What a start costs, as ratios in one run on the same engine (`make bench`)."""
