members 1
genesis voters=1
put a 1
status
---
