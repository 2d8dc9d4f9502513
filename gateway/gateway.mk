# groupshare-gateway. The OpenAPI document is embedded: its bytes as a C array, made from gateway/openapi.json.
GATEWAY_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard gateway/*.c))) $(BUILD)/gateway/openapi_json.o

$(BUILD)/gateway/openapi_json.c: gateway/openapi.json
	@mkdir -p $(@D)
	{ echo '#include "gateway/openapi.h"'; echo 'const unsigned char gs_openapi_json[] = {'; \
	  od -An -v -tu1 $< | sed 's/  *\([0-9][0-9]*\)/\1,/g'; \
	  echo '};'; echo 'const unsigned long gs_openapi_json_size = sizeof gs_openapi_json;'; } > $@.tmp && mv $@.tmp $@

$(BUILD)/gateway/openapi_json.o: $(BUILD)/gateway/openapi_json.c gateway/openapi.h
	$(CC) $(GS_CFLAGS) $(CFLAGS) $(PKG_CFLAGS) -c -o $@ $<

$(BUILD)/groupshare-gateway: $(GATEWAY_OBJS) $(BUILD)/libgsdaemon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
