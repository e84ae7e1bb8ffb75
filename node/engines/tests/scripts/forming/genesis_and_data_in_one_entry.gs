# The commands of an entry see each other across engines, and fall together.
members 1
entry "genesis 1" "put a 1" "put <4097bytes> 1"
status
entry "put a 1" "genesis 1"
entry "genesis 1" "put a 1"
status
get a
---
