"""runfolio beside other trackers: environments, trackers, jobs, and the page that tells what was found."""
