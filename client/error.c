/* SPDX-License-Identifier: PostgreSQL */
/*
 * Failures: the one place that turns an HTTP status into a GsClientStatus and a problem's code into advice. Every text
 * from outside is copied into bounded arrays; making it safe for a terminal is the printer's job.
 */
#include "client/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a user can do about a code. `first`: goes before the server's own hint, which speaks to who calls the API. */
static const struct {
	const char *code;
	bool first;
	const char *hint;
} ADVICE[] = {
	{"connection_failed", true,
	 "This terminal is not enrolled, was revoked, or its plan has no sharing. Ask the operator "
	 "for a new enrolment code, then run: groupshare enroll IDENTIFIER CODE"},
	{"enrolment_failed", true,
	 "The code is wrong, used or expired, or belongs to another identifier. Ask the operator for a "
	 "new one."},
	{"session_invalid", true, "Run: groupshare connect"},
	{"join_refused", true, "Ask an administrator of the group to add you to its list, or to lift a ban."},
	{"share_exists", true,
	 "You already share something else by this name. Choose another with --as NAME, or remove the old "
	 "one first: groupshare rm NAME"},
	{"share_pending", true, "Its bytes are still on their way to the storage device. Try again later."},
	{"inquiry_decided", false, "The first decision stands. See: groupshare inquiries"},
	{"group_not_live", true, "Its administrator has to finish its settings first: groupshare set GROUP --join RULE"},
	{"not_a_member", true, "Join a group first: groupshare search NAME, then groupshare join GROUP"},
	{"too_large", true, "The plan of this terminal does not allow a file of this size. Ask the operator."},
	{"quota_exceeded", true,
	 "Remove what you no longer share (groupshare ls, groupshare rm NAME), or ask the operator for a "
	 "larger plan."},
	{"no_room", false, "No storage device has room for it now. Try later, or tell the operator."},
	{"devices_busy", false, "Try again in a moment."},
	{"device_unavailable", true,
	 "The storage device that holds it is away. Try again later; what is fetched so far is kept."},
	{"too_many_requests", false, "Wait a while, then try again."},
	{"not_found", false, "It does not exist, or you may not see it."},
	{"forbidden", false, "Ask an administrator; groupshare groups GROUP shows who is one."},
	{"ticket_expired", false, "Run the same command again: it continues where it stopped."},
	{"digest_mismatch", false, "Run the same command again."},
	{"busy", false, "Another upload of this file is running. Wait for it, or try again later."},
};

static void put_text(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)from[n] & 0xC0) == 0x80)
			n--;
	}
	memmove(to, from, n);
	to[n] = '\0';
}

void gs_error_clear(GsErrorBox *box)
{
	memset(box, 0, sizeof(*box));
	box->error.code = box->code;
	box->error.message = box->message;
	box->error.hint = box->hint;
	box->error.request_id = box->request_id;
}

static int set_va(GsErrorBox *box, GsClientStatus status, const char *hint, const char *suffix, const char *format,
				  va_list args) __attribute__((format(printf, 5, 0)));

static int set_va(GsErrorBox *box, GsClientStatus status, const char *hint, const char *suffix, const char *format,
				  va_list args)
{
	char text[2 * sizeof(box->message)];
	int n = vsnprintf(text, sizeof(text), format, args);

	if (suffix != NULL && n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", suffix);
	gs_error_clear(box);
	box->error.status = status;
	put_text(box->message, sizeof(box->message), text);
	put_text(box->hint, sizeof(box->hint), hint != NULL ? hint : "");
	return status;
}

int gs_error_set(GsErrorBox *box, GsClientStatus status, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_va(box, status, hint, NULL, format, args);
	va_end(args);
	return status;
}

int gs_error_errno(GsErrorBox *box, const char *hint, const char *format, ...)
{
	char reason[128];
	const char *text = strerror_r(errno, reason, sizeof(reason));
	va_list args;

	va_start(args, format);
	set_va(box, GS_CLIENT_LOCAL, hint, text, format, args);
	va_end(args);
	return GS_CLIENT_LOCAL;
}

void gs_error_restore(GsErrorBox *box, const GsErrorBox *saved)
{
	GsClientError error = saved->error;

	*box = *saved;
	error.code = box->code;
	error.message = box->message;
	error.hint = box->hint;
	error.request_id = box->request_id;
	box->error = error;
}

void gs_error_hint(GsErrorBox *box, const char *hint)
{
	put_text(box->hint, sizeof(box->hint), hint);
}

int gs_error_memory(GsErrorBox *box)
{
	return gs_error_set(box, GS_CLIENT_NO_MEMORY, NULL, "out of memory");
}

int gs_error_at(GsErrorBox *box, const char *where, const char *hint)
{
	GsErrorBox before = *box;

	return gs_error_set(box, before.error.status, hint, "%s: %s", where, before.message);
}

GsClientStatus gs_error_of_http(int http_status)
{
	switch (http_status) {
	case 400:
		return GS_CLIENT_INVALID;
	case 401:
	case 403:
		return GS_CLIENT_DENIED;
	case 404:
	case 410:
		return GS_CLIENT_NOT_FOUND;
	case 409:
	case 412:
		return GS_CLIENT_CONFLICT;
	case 413:
	case 507:
		return GS_CLIENT_NO_ROOM;
	case 422:
		return GS_CLIENT_DIGEST;
	case 429:
	case 502:
	case 503:
	case 504:
		return GS_CLIENT_NETWORK;
	default:
		return GS_CLIENT_PROTOCOL;
	}
}

static const char *member(json_t *problem, const char *name)
{
	const char *text = json_string_value(json_object_get(problem, name));

	return text != NULL ? text : "";
}

int gs_error_problem(GsErrorBox *box, int http_status, const char *body, size_t size, const char *request_id,
					 const char *where)
{
	GsClientStatus status = gs_error_of_http(http_status);
	json_t *problem = size > 0 ? json_loadb(body, size, 0, NULL) : NULL;
	const char *code = member(problem, "code");
	const char *text = member(problem, "detail")[0] != '\0' ? member(problem, "detail") : member(problem, "title");
	const char *hint = member(problem, "hint");

	for (size_t i = 0; i < sizeof(ADVICE) / sizeof(ADVICE[0]); i++) {
		if (strcmp(code, ADVICE[i].code) == 0 && (ADVICE[i].first || hint[0] == '\0'))
			hint = ADVICE[i].hint;
	}
	if (hint[0] == '\0' && status == GS_CLIENT_NETWORK)
		hint = "Try again in a moment.";
	if (text[0] != '\0')
		gs_error_set(box, status, hint, "%s", text);
	else
		gs_error_set(box, status, hint, "%s answered with HTTP status %d", where, http_status);
	box->error.http_status = http_status;
	put_text(box->code, sizeof(box->code), code);
	if (member(problem, "request_id")[0] != '\0')
		request_id = member(problem, "request_id");
	put_text(box->request_id, sizeof(box->request_id), request_id != NULL ? request_id : "");
	json_decref(problem);
	return status;
}
