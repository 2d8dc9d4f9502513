/* SPDX-License-Identifier: PostgreSQL */
/*
 * libcurl, and nothing else touches it. One easy handle lives as long as the GsHttp: curl_easy_reset() between
 * exchanges keeps its connections, and nothing of one request (bearer, body) reaches the next.
 */
#include "client/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#define BUFFER_BYTES (256L << 10)
#define HEADER_LINE_MAX 8192

struct GsHttp {
	CURL *curl;
	char *ca;
};

/* What curl's callbacks see of one exchange. */
/* An option that is not taken, for want of memory, would leave libcurl's default, which for one believes other
 * authorities. */
#define SET(curl, option, value) (curl_easy_setopt(curl, option, value) == CURLE_OK)

typedef struct Exchange {
	const GsHttpRequest *request;
	GsHttpReply *reply;
	int64_t upload_at; /* of the body */
	int64_t length;    /* the answer's Content-Length; -1: not said */
	bool answered;     /* the final answer's header is all here */
	int stopped;       /* the sink's verdict */
	bool cancelled;
	bool too_large;
	bool no_memory;
	int read_errno;
} Exchange;

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_init(void)
{
	global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int gs_http_open(GsHttp **http, const char *ca, GsErrorBox *box)
{
	GsHttp *made;

	*http = NULL;
	pthread_once(&global_once, global_init);
	if (global_result != CURLE_OK)
		return gs_error_set(box, GS_CLIENT_LOCAL, NULL, "cannot start libcurl: %s", curl_easy_strerror(global_result));
	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return gs_error_memory(box);
	made->curl = curl_easy_init();
	made->ca = ca != NULL ? strdup(ca) : NULL;
	if (made->curl == NULL || (ca != NULL && made->ca == NULL)) {
		gs_http_close(made);
		return gs_error_memory(box);
	}
	*http = made;
	return GS_CLIENT_OK;
}

void gs_http_close(GsHttp *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->curl);
	free(http->ca);
	free(http);
}

static const GsHttpReply NO_REPLY = {.retry_after_s = -1, .date_s = -1, .range_start = -1, .upload_offset = -1};

void gs_http_reply_clear(GsHttpReply *reply)
{
	free(reply->body);
	*reply = NO_REPLY;
}

static int keep(Exchange *exchange, const char *data, size_t size)
{
	GsHttpReply *reply = exchange->reply;
	char *grown;

	if (size > GS_HTTP_REPLY_MAX_BYTES - reply->body_size) {
		exchange->too_large = true;
		return -1;
	}
	grown = realloc(reply->body, reply->body_size + size + 1);
	if (grown == NULL) {
		exchange->no_memory = true;
		return -1;
	}
	memcpy(grown + reply->body_size, data, size);
	reply->body = grown;
	reply->body_size += size;
	grown[reply->body_size] = '\0';
	return 0;
}

/* What is fetched goes to the sink, what is said about it does not. */
static bool to_sink(const Exchange *exchange)
{
	int status = exchange->reply->status;

	return exchange->request->sink != NULL && (status == 200 || status == 206);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	Exchange *exchange = arg;
	const GsHttpRequest *request = exchange->request;

	size *= count;
	if (!to_sink(exchange))
		return keep(exchange, data, size) == 0 ? size : 0;
	exchange->stopped = request->sink(request->sink_arg, exchange->reply, data, size);
	return exchange->stopped == 0 ? size : 0;
}

static const char *header_value(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	return line + n + 1 + strspn(line + n + 1, " \t");
}

static int64_t number(const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	return errno != 0 || end == text || n < 0 ? -1 : (int64_t)n;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	Exchange *exchange = arg;
	GsHttpReply *reply = exchange->reply;
	char line[HEADER_LINE_MAX];
	const char *value;

	size *= count;
	if (size >= sizeof(line))
		return size;
	memcpy(line, data, size);
	line[size] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	/* The header of an interim answer (1xx) says nothing about the final one. */
	if (strncmp(line, "HTTP/", 5) == 0) {
		uint64_t sent = reply->sent;

		*reply = NO_REPLY;
		reply->sent = sent;
		reply->status = (int)number(line + strcspn(line, " "));
		exchange->length = -1;
	} else if (line[0] == '\0')
		exchange->answered = reply->status >= 200;
	else if ((value = header_value(line, "content-length")) != NULL)
		exchange->length = number(value);
	else if ((value = header_value(line, "retry-after")) != NULL)
		reply->retry_after_s = (int)number(value);
	else if ((value = header_value(line, "date")) != NULL)
		reply->date_s = (int64_t)curl_getdate(value, NULL);
	else if ((value = header_value(line, "etag")) != NULL)
		snprintf(reply->etag, sizeof(reply->etag), "%s", value);
	else if ((value = header_value(line, "x-request-id")) != NULL)
		snprintf(reply->request_id, sizeof(reply->request_id), "%s", value);
	else if ((value = header_value(line, "content-range")) != NULL && strncasecmp(value, "bytes ", 6) == 0)
		reply->range_start = number(value + 6);
	else if ((value = header_value(line, "upload-offset")) != NULL)
		reply->upload_offset = number(value);
	else if ((value = header_value(line, "upload-complete")) != NULL)
		reply->upload_complete = strcmp(value, "?1") == 0;
	return size;
}

static size_t on_upload(char *to, size_t size, size_t count, void *arg)
{
	Exchange *exchange = arg;
	const GsHttpRequest *request = exchange->request;
	size_t want = size * count;
	ssize_t n;

	if ((int64_t)want > request->upload_bytes - exchange->upload_at)
		want = (size_t)(request->upload_bytes - exchange->upload_at);
	if (want == 0)
		return 0;
	if (request->upload_data != NULL) {
		memcpy(to, request->upload_data + exchange->upload_at, want);
		n = (ssize_t)want;
	} else {
		do
			n = pread(request->upload_fd, to, want, request->upload_from + exchange->upload_at);
		while (n < 0 && errno == EINTR);
	}
	if (n <= 0) {
		exchange->read_errno = n < 0 ? errno : 0;
		exchange->reply->upload_short = n == 0;
		return CURL_READFUNC_ABORT;
	}
	exchange->upload_at += n;
	exchange->reply->sent = (uint64_t)exchange->upload_at;
	return (size_t)n;
}

/* curl starts the body again when a kept connection turns out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	Exchange *exchange = arg;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	exchange->upload_at = offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t sent)
{
	Exchange *exchange = arg;

	(void)total, (void)now, (void)upload_total;
	if (exchange->request->tick != NULL)
		exchange->cancelled = exchange->request->tick(exchange->request->tick_arg, (uint64_t)sent) != 0;
	return exchange->cancelled ? 1 : 0;
}

static bool set_limits(CURL *curl, const GsHttpRequest *request)
{
	bool set = SET(curl, CURLOPT_NOSIGNAL, 1L) && SET(curl, CURLOPT_TCP_KEEPALIVE, 1L) &&
			   SET(curl, CURLOPT_CONNECTTIMEOUT, (long)GS_HTTP_CONNECT_TIMEOUT_S) &&
			   SET(curl, CURLOPT_BUFFERSIZE, BUFFER_BYTES) && SET(curl, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);

	if (request->wait_s < 0)
		return set && SET(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) &&
			   SET(curl, CURLOPT_LOW_SPEED_TIME, (long)GS_HTTP_STALL_S);
	return set && SET(curl, CURLOPT_TIMEOUT, (long)(GS_HTTP_REQUEST_TIMEOUT_S + request->wait_s));
}

static bool set_transport(const GsHttp *http, const GsHttpRequest *request)
{
	CURL *curl = http->curl;
	bool tls = strncasecmp(request->url, "https:", 6) == 0;
	long version = tls ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;

	return SET(curl, CURLOPT_URL, request->url) && SET(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
		   /* libcurl 7.88 begins HTTP/2 anew on a kept connection in clear, and fails. */
		   SET(curl, CURLOPT_FORBID_REUSE, tls ? 0L : 1L) && SET(curl, CURLOPT_HTTP_VERSION, version) &&
		   SET(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
		   (http->ca == NULL || (SET(curl, CURLOPT_CAINFO, http->ca) && SET(curl, CURLOPT_CAPATH, NULL))) &&
		   SET(curl, CURLOPT_USERAGENT, "groupshare/" GS_VERSION);
}

static bool set_body(CURL *curl, Exchange *exchange)
{
	const GsHttpRequest *request = exchange->request;

	if (request->upload_bytes >= 0)
		return SET(curl, CURLOPT_UPLOAD, 1L) &&
			   SET(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->upload_bytes) &&
			   SET(curl, CURLOPT_READFUNCTION, on_upload) && SET(curl, CURLOPT_READDATA, exchange) &&
			   SET(curl, CURLOPT_SEEKFUNCTION, on_seek) && SET(curl, CURLOPT_SEEKDATA, exchange);
	if (request->body != NULL)
		return SET(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->body)) &&
			   SET(curl, CURLOPT_POSTFIELDS, request->body);
	return strcmp(request->method, "HEAD") != 0 || SET(curl, CURLOPT_NOBODY, 1L);
}

static bool set_callbacks(CURL *curl, Exchange *exchange)
{
	return SET(curl, CURLOPT_WRITEFUNCTION, on_body) && SET(curl, CURLOPT_WRITEDATA, exchange) &&
		   SET(curl, CURLOPT_HEADERFUNCTION, on_header) && SET(curl, CURLOPT_HEADERDATA, exchange) &&
		   SET(curl, CURLOPT_XFERINFOFUNCTION, on_progress) && SET(curl, CURLOPT_XFERINFODATA, exchange) &&
		   SET(curl, CURLOPT_NOPROGRESS, 0L);
}

/* Adds one header line to *list; false = no memory. */
static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

static bool add_field(struct curl_slist **list, const char *name, const char *value)
{
	char *line;
	bool ok;

	if (asprintf(&line, "%s%s", name, value) < 0)
		return false;
	ok = add_header(list, line);
	free(line);
	return ok;
}

static bool make_headers(const GsHttpRequest *request, struct curl_slist **list)
{
	bool ok = add_header(list, "Expect:");

	if (request->bearer != NULL)
		ok = ok && add_field(list, "Authorization: Bearer ", request->bearer);
	if (request->upload_bytes >= 0)
		ok = ok && add_field(list, "Content-Type: ",
							 request->upload_type != NULL ? request->upload_type : "application/octet-stream");
	else if (request->body != NULL)
		ok = ok && add_header(list, "Content-Type: application/json");
	for (size_t i = 0; i < GS_HTTP_HEADERS_MAX && request->headers[i] != NULL; i++)
		ok = ok && add_header(list, request->headers[i]);
	return ok;
}

static bool is_tls_trouble(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
		   code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_CIPHER || code == CURLE_SSL_CERTPROBLEM;
}

static bool reads_only(const GsHttpRequest *request)
{
	return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

/* Says what went wrong when no complete answer came. */
static int explain(const Exchange *exchange, CURLcode code, const char *detail, GsErrorBox *box)
{
	const char *reason = detail[0] != '\0' ? detail : curl_easy_strerror(code);

	if (exchange->stopped != 0)
		return exchange->stopped;
	if (exchange->no_memory || code == CURLE_OUT_OF_MEMORY)
		return gs_error_memory(box);
	if (exchange->too_large)
		return gs_error_set(box, GS_CLIENT_PROTOCOL, NULL, "the answer is larger than %u bytes",
							GS_HTTP_REPLY_MAX_BYTES);
	if (exchange->reply->upload_short)
		return gs_error_set(box, GS_CLIENT_LOCAL, NULL, "the file became shorter while it was being uploaded");
	if (exchange->read_errno != 0) {
		errno = exchange->read_errno;
		return gs_error_errno(box, NULL, "cannot read the file");
	}
	if (exchange->cancelled)
		return gs_error_set(box, GS_CLIENT_CANCELLED, NULL, "cancelled");
	if (is_tls_trouble(code))
		return gs_error_set(box, GS_CLIENT_NETWORK,
							"Name the authority's certificate with --ca FILE or GROUPSHARE_CA; never ignore this "
							"elsewhere than in a test of your own.",
							"cannot verify who answers: %s", reason);
	if (exchange->reply->status != 0)
		return gs_error_set(box, GS_CLIENT_NETWORK,
							reads_only(exchange->request) ? "Try again."
														  : "It was done, most likely: look before you try again.",
							"the answer, of HTTP status %d, broke off: %s", exchange->reply->status, reason);
	return gs_error_set(box, GS_CLIENT_NETWORK, "Check the network and the address (--url), then try again.",
						"no answer: %s", reason);
}

/*
 * The exchange went wrong after the answer's header: is it an answer nevertheless? A server that answers before the
 * whole body is sent, and a connection that ends just then, look like that. reply->cut: not all of its body is known to
 * be here.
 */
static bool answers_nevertheless(const Exchange *exchange, CURLcode code)
{
	GsHttpReply *reply = exchange->reply;
	bool bodiless = strcmp(exchange->request->method, "HEAD") == 0 || reply->status == 204 || reply->status == 304;

	if (!exchange->answered || exchange->cancelled || exchange->stopped != 0 || exchange->too_large ||
		exchange->no_memory || code == CURLE_OUT_OF_MEMORY || to_sink(exchange))
		return false;
	reply->cut = !bodiless && (exchange->length < 0 || (int64_t)reply->body_size < exchange->length);
	return !reply->cut || reply->status >= 400 || exchange->request->status_suffices;
}

int gs_http_send(GsHttp *http, const GsHttpRequest *request, GsHttpReply *reply, GsErrorBox *box)
{
	CURL *curl = http->curl;
	Exchange exchange = {.request = request, .reply = reply, .length = -1};
	struct curl_slist *headers = NULL;
	char detail[CURL_ERROR_SIZE] = "";
	curl_off_t connected_us = 0;
	CURLcode code;

	*reply = NO_REPLY;
	curl_easy_reset(curl);
	if (!make_headers(request, &headers) || !set_limits(curl, request) || !set_transport(http, request) ||
		!set_body(curl, &exchange) || !set_callbacks(curl, &exchange) ||
		!SET(curl, CURLOPT_CUSTOMREQUEST, request->method) || !SET(curl, CURLOPT_HTTPHEADER, headers) ||
		!SET(curl, CURLOPT_ERRORBUFFER, detail)) {
		curl_easy_reset(curl);
		curl_slist_free_all(headers);
		return gs_error_memory(box);
	}
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	curl_easy_reset(curl);
	curl_slist_free_all(headers);
	if (!exchange.answered)
		reply->status = 0;
	if (code == CURLE_OK || answers_nevertheless(&exchange, code))
		return GS_CLIENT_OK;
	reply->perhaps_received = connected_us > 0;
	return explain(&exchange, code, detail, box);
}

static bool is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0;
}

static int check_parts(CURLU *parts, const char *text, GsErrorBox *box)
{
	static const CURLUPart UNWANTED[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT};
	static const char HINT[] = "It looks like https://share.example.org or https://share.example.org:8443";
	char *scheme = NULL;
	char *host = NULL;
	char *part;
	bool ok;

	if (curl_url_set(parts, CURLUPART_URL, text, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		ok = false;
	else
		ok = strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_loopback(host));
	curl_free(scheme);
	curl_free(host);
	for (size_t i = 0; ok && i < sizeof(UNWANTED) / sizeof(UNWANTED[0]); i++) {
		if (curl_url_get(parts, UNWANTED[i], &part, 0) == CURLUE_OK) {
			curl_free(part);
			ok = false;
		}
	}
	if (!ok)
		return gs_error_set(box, GS_CLIENT_INVALID, HINT, "not a usable https address: %s", text);
	return GS_CLIENT_OK;
}

int gs_http_base_url(const char *text, char **url, GsErrorBox *box)
{
	CURLU *parts;
	char *full = NULL;
	int status;

	*url = NULL;
	parts = curl_url();
	if (parts == NULL)
		return gs_error_memory(box);
	status = check_parts(parts, text, box);
	if (status == GS_CLIENT_OK && curl_url_get(parts, CURLUPART_URL, &full, 0) != CURLUE_OK)
		status = gs_error_memory(box);
	if (status == GS_CLIENT_OK && (*url = strdup(full)) == NULL)
		status = gs_error_memory(box);
	for (size_t n = *url != NULL ? strlen(*url) : 0; n > 0 && (*url)[n - 1] == '/'; n--)
		(*url)[n - 1] = '\0';
	curl_free(full);
	curl_url_cleanup(parts);
	return status;
}
