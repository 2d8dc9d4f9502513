/* SPDX-License-Identifier: PostgreSQL */
/* One GET from another device; see fetch_http.h. The handle keeps its connection for the next try. */
#include "storaged/fetch_http.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_TIMEOUT_S 10
#define BUFFER_BYTES (256L << 10)
#define ERROR_BODY_MOST 65536

/* An option that is not taken, for want of memory, would leave libcurl's default, which for one believes other
 * authorities. */
#define SET(curl, option, value) (curl_easy_setopt(curl, option, value) == CURLE_OK)

struct GsFetchHttp {
	CURL *curl;
	char *ca;
};

/* What the callbacks see of one request. */
typedef struct Exchange {
	CURL *curl;
	GsFetchRequest *request;
	GsFetchHttpResult result; /* of a callback that ended it */
	bool checked;             /* the answer's head was found good */
	bool other;               /* ETag or Content-Range are not the ones asked for */
	size_t error_bytes;       /* of the body of an error */
} Exchange;

bool gs_fetch_http_start(const char **why)
{
	const curl_version_info_data *info;

	*why = "libcurl can't be started";
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	info = curl_version_info(CURLVERSION_NOW);
	*why = "libcurl was built without HTTP/2, TLS or thread-safe name resolution";
	return (info->features & CURL_VERSION_HTTP2) != 0 && (info->features & CURL_VERSION_SSL) != 0 &&
		   (info->features & CURL_VERSION_ASYNCHDNS) != 0;
}

GsFetchHttp *gs_fetch_http_new(const char *ca)
{
	GsFetchHttp *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return NULL;
	http->curl = curl_easy_init();
	http->ca = ca != NULL ? strdup(ca) : NULL;
	if (http->curl == NULL || (ca != NULL && http->ca == NULL)) {
		gs_fetch_http_free(http);
		return NULL;
	}
	return http;
}

void gs_fetch_http_free(GsFetchHttp *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->curl);
	free(http->ca);
	free(http);
}

static long status_of(const Exchange *exchange)
{
	long status = 0;

	curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* The value of the header field `name` in a line of `size` bytes, copied; false when it is another field. */
static bool field_value(const char *line, size_t size, const char *name, char *value, size_t value_size)
{
	size_t length = strlen(name);

	if (size <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
		return false;
	line += length + 1;
	size -= length + 1;
	while (size > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		size--;
	}
	while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n' || line[size - 1] == ' '))
		size--;
	snprintf(value, value_size, "%.*s", (int)(size < value_size ? size : value_size), line);
	return true;
}

static size_t on_header(char *line, size_t one, size_t size, void *arg)
{
	Exchange *exchange = arg;
	const GsFetchRequest *request = exchange->request;
	char value[128];
	uint64_t first;

	(void)one;
	if (field_value(line, size, "etag", value, sizeof(value)) && strcmp(value, request->etag) != 0)
		exchange->other = true;
	if (field_value(line, size, "content-range", value, sizeof(value)) &&
		(sscanf(value, "bytes %" SCNu64 "-", &first) != 1 || first != request->from_bytes))
		exchange->other = true;
	return size;
}

/* A range is answered by the whole when the object is not the one of If-Range. */
static bool head_is_good(Exchange *exchange)
{
	long status = status_of(exchange);

	if (status != 200 && status != 206)
		return false;
	exchange->checked = !exchange->other && (status == 206) == (exchange->request->from_bytes > 0);
	if (!exchange->checked)
		exchange->result = GS_FETCH_HTTP_OTHER;
	return exchange->checked;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *arg)
{
	Exchange *exchange = arg;
	GsFetchRequest *request = exchange->request;

	(void)one;
	/* Of an error's body, which says nothing that its status doesn't, as much as keeps a connection in use. */
	if (!exchange->checked && !head_is_good(exchange)) {
		exchange->error_bytes += size;
		return exchange->result == GS_FETCH_HTTP_OK && exchange->error_bytes <= ERROR_BODY_MOST ? size
																								: CURL_WRITEFUNC_ERROR;
	}
	if (request->stopped(request->owner))
		exchange->result = GS_FETCH_HTTP_STOPPED;
	else if (!request->take(request->owner, (const uint8_t *)bytes, size))
		exchange->result = GS_FETCH_HTTP_TAKEN;
	return exchange->result == GS_FETCH_HTTP_OK ? size : CURL_WRITEFUNC_ERROR;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t sent)
{
	Exchange *exchange = arg;

	(void)total, (void)now, (void)upload_total, (void)sent;
	if (!exchange->request->stopped(exchange->request->owner))
		return 0;
	exchange->result = GS_FETCH_HTTP_STOPPED;
	return 1;
}

static bool set_limits(CURL *curl, const GsFetchRequest *request)
{
	int64_t least = request->min_rate_bytes > 0 ? request->min_rate_bytes : 1;

	if (request->rate_bytes > 0 && least > request->rate_bytes / 2)
		least = request->rate_bytes / 2 + 1;
	/* A thread that still resolves a name is left behind, not waited for. */
	return SET(curl, CURLOPT_QUICK_EXIT, 1L) && SET(curl, CURLOPT_NOSIGNAL, 1L) &&
		   SET(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S) &&
		   SET(curl, CURLOPT_LOW_SPEED_LIMIT, (long)least) &&
		   SET(curl, CURLOPT_LOW_SPEED_TIME, (long)((request->stall_ms + 999) / 1000)) &&
		   SET(curl, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)request->rate_bytes) &&
		   SET(curl, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
}

static bool set_transport(const GsFetchHttp *http, const GsFetchRequest *request)
{
	CURL *curl = http->curl;
	long version = strncasecmp(request->url, "https:", 6) == 0 ? (long)CURL_HTTP_VERSION_2TLS
															   : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;

	return SET(curl, CURLOPT_URL, request->url) && SET(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
		   SET(curl, CURLOPT_NOPROXY, "*") && SET(curl, CURLOPT_HTTP_VERSION, version) &&
		   SET(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
		   (http->ca == NULL || (SET(curl, CURLOPT_CAINFO, http->ca) && SET(curl, CURLOPT_CAPATH, NULL))) &&
		   SET(curl, CURLOPT_USERAGENT, "groupshare-storaged/" GS_VERSION);
}

static bool set_callbacks(CURL *curl, Exchange *exchange)
{
	return SET(curl, CURLOPT_HEADERFUNCTION, on_header) && SET(curl, CURLOPT_HEADERDATA, exchange) &&
		   SET(curl, CURLOPT_WRITEFUNCTION, on_body) && SET(curl, CURLOPT_WRITEDATA, exchange) &&
		   SET(curl, CURLOPT_XFERINFOFUNCTION, on_progress) && SET(curl, CURLOPT_XFERINFODATA, exchange) &&
		   SET(curl, CURLOPT_NOPROGRESS, 0L);
}

/* *list is freed by the caller, also on failure. */
static bool add_field(struct curl_slist **list, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 3;
	char *line = malloc(size);
	struct curl_slist *longer;

	if (line == NULL)
		return false;
	snprintf(line, size, "%s: %s", name, value);
	longer = curl_slist_append(*list, line);
	free(line);
	*list = longer != NULL ? longer : *list;
	return longer != NULL;
}

static bool make_fields(const GsFetchRequest *request, struct curl_slist **list)
{
	char bearer[8192], range[64];

	snprintf(bearer, sizeof(bearer), "Bearer %s", request->ticket);
	snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", request->from_bytes);
	return add_field(list, "Authorization", bearer) &&
		   (request->from_bytes == 0 ||
			(add_field(list, "Range", range) && add_field(list, "If-Range", request->etag)));
}

static GsFetchHttpResult judge_status(Exchange *exchange)
{
	long status = status_of(exchange);

	switch (status) {
	case 200:
	case 206:
		return exchange->checked || head_is_good(exchange) ? GS_FETCH_HTTP_OK : GS_FETCH_HTTP_OTHER;
	case 404:
	case 410:
		return GS_FETCH_HTTP_MISSING;
	case 412:
	case 416:
		return GS_FETCH_HTTP_OTHER;
	case 401:
	case 403:
		snprintf(exchange->request->why, sizeof(exchange->request->why), "the ticket is refused: status %ld", status);
		return GS_FETCH_HTTP_REFUSED;
	default:
		snprintf(exchange->request->why, sizeof(exchange->request->why), "status %ld", status);
		return GS_FETCH_HTTP_UNREACHABLE;
	}
}

GsFetchHttpResult gs_fetch_http_get(GsFetchHttp *http, GsFetchRequest *request)
{
	Exchange exchange = {.curl = http->curl, .request = request};
	char detail[CURL_ERROR_SIZE] = "";
	struct curl_slist *fields = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	request->why[0] = '\0';
	curl_easy_reset(http->curl);
	if (make_fields(request, &fields) && set_transport(http, request) && set_limits(http->curl, request) &&
		set_callbacks(http->curl, &exchange) && SET(http->curl, CURLOPT_ERRORBUFFER, detail) &&
		SET(http->curl, CURLOPT_HTTPHEADER, fields))
		code = curl_easy_perform(http->curl);
	/* Neither is its any more; nothing is allocated for that. */
	(void)SET(http->curl, CURLOPT_ERRORBUFFER, NULL);
	(void)SET(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(fields);
	if (exchange.result != GS_FETCH_HTTP_OK)
		return exchange.result;
	if (code == CURLE_OK || exchange.error_bytes > ERROR_BODY_MOST)
		return judge_status(&exchange);
	snprintf(request->why, sizeof(request->why), "%s", detail[0] != '\0' ? detail : curl_easy_strerror(code));
	return code == CURLE_OUT_OF_MEMORY ? GS_FETCH_HTTP_NO_MEMORY : GS_FETCH_HTTP_UNREACHABLE;
}
