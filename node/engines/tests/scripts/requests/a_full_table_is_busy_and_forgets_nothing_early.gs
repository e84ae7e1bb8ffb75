members 1
genesis voters=1
fill 65535 at=1000
put a 1 request=last at=2000
put a 2 request=more at=3000
put a 3
put a 1 request=last
---
accepted 0.0.0
accepted 0.0.1 | done
65535 accepted, 0 rejected
accepted 0.0.65537 | put revision=1 created=true
rejected: too many request ids were used in the last ten minutes; try again later, or without one
accepted 0.0.65539 | put revision=2 created=false
accepted 0.0.65537 | put revision=1 created=true

# Also where all come in one run.
fill 10 at=3000
---
0 accepted, 10 rejected

# Forgetting goes by steps: each entry removes some of those that have expired, so that there is room for its own.
put a 4 request=more at=601000
put a 5 request=more2 at=601000
put a 1 request=last at=601000
get a
reopen
put a 6 request=more3 at=601000
---
accepted 0.0.65551 | put revision=3 created=false
accepted 0.0.65552 | put revision=4 created=false
accepted 0.0.65537 | put revision=1 created=true
"5" revision=4 created=1
accepted 0.0.65554 | put revision=5 created=false
