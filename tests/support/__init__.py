"""What tests share: images made on the spot, engines in places of their own, the look for what was left behind."""
