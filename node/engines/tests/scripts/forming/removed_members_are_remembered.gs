members "1,2,3" voters="1,2"
members "1,2"
status
members "1,4,5"
blank
status
reopen
status
---
accepted 0.0.0
accepted 0.0.1
position 0.0.1 revision 0
cluster none intended voters none open false
membership {1, 2} at 1 removed {3}
incarnation 0 level 1
accepted 0.0.2
accepted 0.0.3
position 0.0.3 revision 0
cluster none intended voters none open false
membership {1, 4, 5} at 2 removed {3, 2}
incarnation 0 level 1
position 0.0.3 revision 0
cluster none intended voters none open false
membership {1, 4, 5} at 2 removed {3, 2}
incarnation 0 level 1
