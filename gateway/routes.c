/* SPDX-License-Identifier: PostgreSQL */
/* Only data: one GsApi a SQL function, one GsRoute a method and path. */
#include "gateway/routes.h"

#include <stddef.h>

#include "gateway/events.h"
#include "gateway/openapi.h"
#include "gateway/request.h"

/* The one form that every API function is called in. */
#define CALL(function)                                                           \
	.statement = {.name = #function,                                             \
				  .sql = "SELECT status, reply, etag FROM groupshare." #function \
						 "($1, $2::inet, $3, $4::jsonb, $5::jsonb)",             \
				  .params = 5}
#define PAGE "limit", "after"

static const GsApi enroll = {CALL(api_enroll), .body = GS_API_NEEDS_BODY};
static const GsApi challenge = {CALL(api_challenge), .body = GS_API_NEEDS_BODY, .secret = true};
static const GsApi connect_terminal = {CALL(api_connect), .body = GS_API_NEEDS_BODY, .secret = true};
static const GsApi my_groups = {CALL(api_my_groups), .query = {PAGE, "group", "terminal"}, .session = true,
								.tagged = true};
static const GsApi search_groups = {CALL(api_search_groups), .query = {PAGE, "name", "match"}, .session = true,
									.search = true};
static const GsApi create_group = {CALL(api_create_group), .session = true, .body = GS_API_NEEDS_BODY};
static const GsApi set_group = {CALL(api_set_group), .path = {"group"}, .session = true, .body = GS_API_NEEDS_BODY};
static const GsApi dissolve_group = {CALL(api_dissolve_group), .path = {"group"}, .session = true};
static const GsApi join_group = {CALL(api_join_group), .path = {"group"}, .session = true,
								 .body = GS_API_OPTIONAL_BODY};
static const GsApi remove_member = {CALL(api_remove_member), .path = {"group", "terminal"}, .session = true};
static const GsApi set_member = {CALL(api_set_member), .path = {"group", "terminal"}, .session = true,
								 .body = GS_API_NEEDS_BODY};
static const GsApi inquiries = {CALL(api_inquiries), .query = {PAGE}, .session = true};
static const GsApi decide_inquiry = {CALL(api_decide_inquiry), .path = {"inquiry"}, .session = true,
									 .body = GS_API_NEEDS_BODY};
static const GsApi upload = {CALL(api_upload), .session = true, .secret = true, .body = GS_API_NEEDS_BODY};
static const GsApi shares = {CALL(api_shares), .query = {PAGE}, .session = true};
static const GsApi set_share = {CALL(api_set_share), .path = {"share"}, .session = true, .body = GS_API_NEEDS_BODY};
static const GsApi delete_share = {CALL(api_delete_share), .path = {"share"}, .session = true};
static const GsApi download = {CALL(api_download), .session = true, .secret = true, .body = GS_API_NEEDS_BODY};
/* `wait` is the gateway's own and is not passed on. */
static const GsApi events = {CALL(api_events), .query = {PAGE, "wait"}, .session = true};

const GsRoute gs_gateway_routes[] = {
	{"POST", "/v1/enroll", &gs_request_handler, &enroll},
	{"POST", "/v1/challenge", &gs_request_handler, &challenge},
	{"POST", "/v1/connect", &gs_request_handler, &connect_terminal},
	{"GET", "/v1/groups/mine", &gs_request_handler, &my_groups},
	{"GET", "/v1/groups", &gs_request_handler, &search_groups},
	{"POST", "/v1/groups", &gs_request_handler, &create_group},
	{"DELETE", "/v1/groups/{group}", &gs_request_handler, &dissolve_group},
	{"PUT", "/v1/groups/{group}/settings", &gs_request_handler, &set_group},
	{"POST", "/v1/groups/{group}/join", &gs_request_handler, &join_group},
	{"DELETE", "/v1/groups/{group}/members/{terminal}", &gs_request_handler, &remove_member},
	{"PUT", "/v1/groups/{group}/members/{terminal}", &gs_request_handler, &set_member},
	{"GET", "/v1/inquiries", &gs_request_handler, &inquiries},
	{"POST", "/v1/inquiries/{inquiry}", &gs_request_handler, &decide_inquiry},
	{"POST", "/v1/uploads", &gs_request_handler, &upload},
	{"GET", "/v1/shares", &gs_request_handler, &shares},
	{"PUT", "/v1/shares/{share}", &gs_request_handler, &set_share},
	{"DELETE", "/v1/shares/{share}", &gs_request_handler, &delete_share},
	{"POST", "/v1/downloads", &gs_request_handler, &download},
	{"GET", "/v1/events", &gs_events_handler, &events},
	{"GET", "/openapi.json", &gs_openapi_handler, NULL},
	{.method = NULL},
};

const GsCorsNames gs_gateway_cors = {
	.request = "authorization, content-type, if-none-match, last-event-id, x-request-id",
	.answer = "allow, etag, link, retry-after, www-authenticate, x-request-id",
};
