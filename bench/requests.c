/* SPDX-License-Identifier: PostgreSQL */
/*
 * requests CONNECTIONS CAFILE STATUS < LIST: sends each request of the list once, over so many HTTP/2 connections with
 * one request at a time each. A line of the list: METHOD tab URL tab AUTHORIZATION tab BODY. Every answer must have the
 * status. The clock starts when each connection has had its first answer. Prints requests a second. (h2load sends the
 * same request again and again, which is no measure for what can be done only once.)
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CONNECTIONS 256

typedef struct Client {
	CURL *easy;
	struct curl_slist *headers;
	char *line;
	size_t room;
} Client;

static Client clients[MAX_CONNECTIONS];
static long done;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "requests: %s: %s\n", what, why);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t ignore(char *data, size_t size, size_t n, void *client)
{
	(void)data;
	(void)client;
	return size * n;
}

/* False when the list is at its end. */
static bool next_request(Client *client, CURLM *multi)
{
	ssize_t size = getline(&client->line, &client->room, stdin);
	char *part[4], *rest = client->line, header[8192];

	if (size < 0)
		return false;
	rest[strcspn(rest, "\n")] = '\0';
	for (int i = 0; i < 4; i++) {
		part[i] = strsep(&rest, "\t");
		if (part[i] == NULL)
			fail("a line of the list", "four parts are needed");
	}
	curl_slist_free_all(client->headers);
	snprintf(header, sizeof header, "authorization: %s", part[2]);
	client->headers = curl_slist_append(curl_slist_append(NULL, header), "content-type: application/json");
	curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, part[0]);
	curl_easy_setopt(client->easy, CURLOPT_URL, part[1]);
	curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers);
	curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, part[3]);
	if (curl_multi_add_handle(multi, client->easy) != CURLM_OK)
		fail("curl_multi_add_handle", part[1]);
	return true;
}

static CURLM *start(int n, const char *ca)
{
	CURLM *multi = curl_multi_init();

	if (multi == NULL)
		fail("curl_multi_init", "no memory");
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)n);
	for (int i = 0; i < n; i++) {
		CURL *easy = curl_easy_init();

		if (easy == NULL)
			fail("curl_easy_init", "no memory");
		clients[i].easy = easy;
		curl_easy_setopt(easy, CURLOPT_PRIVATE, &clients[i]);
		curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
		curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
		if (!next_request(&clients[i], multi))
			fail("the list", "it is shorter than there are connections");
	}
	return multi;
}

static void finish(CURLM *multi, const CURLMsg *message, long status)
{
	CURL *easy = message->easy_handle;
	Client *client;
	long got = 0;

	if (message->data.result != CURLE_OK)
		fail("a request", curl_easy_strerror(message->data.result));
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &got);
	if (got != status) {
		fprintf(stderr, "status %ld: ", got);
		fail("a request", "another status is expected");
	}
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&client);
	curl_multi_remove_handle(multi, easy);
	done++;
	(void)next_request(client, multi);
}

int main(int argc, char **argv)
{
	int n = argc == 4 ? atoi(argv[1]) : 0, running, left;
	double begin = 0, end;
	CURLM *multi;
	CURLMsg *message;

	if (n < 1 || n > MAX_CONNECTIONS) {
		fputs("usage: requests CONNECTIONS CAFILE STATUS < LIST\n", stderr);
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = start(n, argv[2]);
	for (bool more = true; more;) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			fail("curl_multi_perform", "it failed");
		more = running > 0;
		while ((message = curl_multi_info_read(multi, &left)) != NULL) {
			if (message->msg == CURLMSG_DONE)
				finish(multi, message, atol(argv[3]));
			if (done == n)
				begin = now();
			more = true;
		}
		if (running > 0 && curl_multi_poll(multi, NULL, 0, 100, NULL) != CURLM_OK)
			fail("curl_multi_poll", "it failed");
	}
	end = now();
	printf("%.1f\n", (double)(done - n) / (end - begin));
	return 0;
}
