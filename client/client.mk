# build/libgroupshare.{a,so}, build/groupshare (the CLI)
.PHONY: client
client:
