genesis voters=3
members "1,2,3"
put a 1
recover 1
members 1
put a 2
status
---
accepted 0.0.0 | done
accepted 0.0.1
accepted 0.0.2 | put revision=1 created=true
accepted 0.1.3 | done
accepted 0.1.4
accepted 0.1.5 | put revision=2 created=false
position 0.1.5 revision 2
cluster 000102030405060708090a0b0c0d0e0f intended voters 3 open true
membership {1} at 4 removed {2, 3}
incarnation 1 level 1

# Obeyed once: what is not later changes nothing.
recover 1
recover 0
reopen
status
recover 5
get a
status
---
accepted 0.1.6 | done
accepted 0.1.7 | done
position 0.1.7 revision 2
cluster 000102030405060708090a0b0c0d0e0f intended voters 3 open true
membership {1} at 4 removed {2, 3}
incarnation 1 level 1
accepted 0.5.8 | done
"2" revision=2 created=1
position 0.5.8 revision 2
cluster 000102030405060708090a0b0c0d0e0f intended voters 3 open true
membership {1} at 4 removed {2, 3}
incarnation 5 level 1
