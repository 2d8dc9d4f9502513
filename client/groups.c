/* SPDX-License-Identifier: PostgreSQL */
/*
 * Groups, membership and inquiries: each call is one API request (or one a page). What may be done is the control
 * server's decision; nothing is judged here.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/encode.h"
#include "client/session.h"

#define PAGE_GROUPS 20 /* of nested pages: groups x members x shares stay well under GS_HTTP_REPLY_MAX_BYTES */
#define NAMESAKES_SHOWN 10

/* Frees `path`, steals `body` (may be NULL). */
static int simple_call(GsClient *client, const char *method, char *path, json_t *body, bool idempotent, json_t **reply)
{
	GsCall call = {.method = method, .path = path, .body = body, .idempotent = idempotent};
	int status = GS_CLIENT_NO_MEMORY;

	if (reply != NULL)
		*reply = NULL;
	if (path != NULL)
		status = gs_session_call(client, &call, reply, NULL);
	json_decref(body);
	free(path);
	return status;
}

/* before + first + between + second, both parts percent-encoded. NULL = no memory, which the box says. */
static char *encoded_path(GsClient *client, const char *before, const char *first, const char *between,
						  const char *second)
{
	char *a = gs_percent_encode(first);
	char *b = gs_percent_encode(second);
	char *path = NULL;

	if (a != NULL && b != NULL)
		path = gs_session_path(client, "%s%s%s%s", before, a, between, b);
	else
		gs_error_memory(&client->box);
	free(a);
	free(b);
	return path;
}

static int paged(GsClient *client, char *path, const char *list, size_t most, json_t **reply)
{
	int status = GS_CLIENT_NO_MEMORY;

	if (reply != NULL)
		*reply = NULL;
	if (path != NULL)
		status = gs_session_pages(client, path, list, most, reply);
	free(path);
	return status;
}

int gs_client_groups(GsClient *client, json_t **reply)
{
	return paged(client, gs_session_path(client, "/v1/groups/mine?limit=%d", PAGE_GROUPS), "groups", 0, reply);
}

/* Replaces the member's first page of shares by all of them, when there are more. */
static int complete_shares(GsClient *client, const char *group_id, json_t *member)
{
	const char *terminal = json_string_value(json_object_get(member, "terminal"));
	json_t *more = json_object_get(member, "shares_next");
	json_t *all = NULL;
	char *path;
	int status;

	if (more == NULL || json_is_null(more) || terminal == NULL) {
		json_object_del(member, "shares_next");
		return GS_CLIENT_OK;
	}
	path = encoded_path(client, "/v1/groups/mine?limit=100&group=", group_id, "&terminal=", terminal);
	status = paged(client, path, "shares", 0, &all);
	if (status == GS_CLIENT_OK && json_object_set(member, "shares", json_object_get(all, "shares")) != 0)
		status = gs_error_memory(&client->box);
	json_object_del(member, "shares_next");
	json_decref(all);
	return status;
}

int gs_client_group(GsClient *client, const char *group_id, json_t **reply)
{
	json_t *whole = NULL;
	json_t *member;
	size_t i;
	int status;

	if (reply != NULL)
		*reply = NULL;
	status =
		paged(client, encoded_path(client, "/v1/groups/mine?limit=100&group=", group_id, "", ""), "members", 0, &whole);
	json_array_foreach(json_object_get(whole, "members"), i, member)
	{
		if (status == GS_CLIENT_OK)
			status = complete_shares(client, group_id, member);
	}
	if (status != GS_CLIENT_OK) {
		json_decref(whole);
		return status;
	}
	return gs_session_answer(client, whole, reply);
}

/* Adds to `found` what `owner` shares in the group, but for what is there already. */
static int add_shares_of(GsClient *client, const char *group_id, const char *owner, json_t *found, bool *is_member)
{
	json_t *reply;
	json_t *member;
	json_t *share;
	size_t i;
	size_t j;
	int status = gs_client_group(client, group_id, &reply);

	if (status != GS_CLIENT_OK)
		return status;
	json_array_foreach(json_object_get(reply, "members"), i, member)
	{
		const char *terminal = json_string_value(json_object_get(member, "terminal"));

		if (terminal == NULL || strcasecmp(terminal, owner) != 0)
			continue;
		*is_member = true;
		json_array_foreach(json_object_get(member, "shares"), j, share)
		{
			const char *id = json_string_value(json_object_get(share, "id"));

			if (id != NULL && json_object_set(found, id, share) != 0)
				status = gs_error_memory(&client->box);
		}
	}
	json_decref(reply);
	return status;
}

int gs_client_shares_of(GsClient *client, const char *owner, const char *group_id, json_t **reply)
{
	json_t *groups = NULL;
	json_t *found = json_object(); /* id -> share */
	json_t *shares = json_array();
	json_t *item;
	const char *id;
	bool is_member = false;
	size_t i;
	int status = found != NULL && shares != NULL ? GS_CLIENT_OK : gs_error_memory(&client->box);

	if (reply != NULL)
		*reply = NULL;
	if (status == GS_CLIENT_OK && group_id != NULL)
		status = add_shares_of(client, group_id, owner, found, &is_member);
	else if (status == GS_CLIENT_OK)
		status = gs_client_groups(client, &groups);
	json_array_foreach(json_object_get(groups, "groups"), i, item)
	{
		if (status == GS_CLIENT_OK && (id = json_string_value(json_object_get(item, "id"))) != NULL)
			status = add_shares_of(client, id, owner, found, &is_member);
	}
	if (status == GS_CLIENT_OK && !is_member)
		status = gs_error_set(&client->box, GS_CLIENT_NOT_FOUND, "See: groupshare groups", "%s is no member of %s",
							  owner, group_id != NULL ? "the group" : "your groups");
	json_object_foreach(found, id, item)
	{
		if (status == GS_CLIENT_OK && json_array_append(shares, item) != 0)
			status = gs_error_memory(&client->box);
	}
	if (status == GS_CLIENT_OK)
		status = gs_session_answer(client, json_pack("{s:O}", "shares", shares), reply);
	json_decref(shares);
	json_decref(found);
	json_decref(groups);
	return status;
}

int gs_client_search(GsClient *client, const char *name, const char *match, size_t most, json_t **reply)
{
	return paged(client, encoded_path(client, "/v1/groups?limit=100&name=", name, "&match=", match), "groups", most,
				 reply);
}

/* Adds to `found` (id -> true) the groups of `list` that have exactly this name. */
static int collect_namesakes(GsClient *client, const json_t *list, const char *name, json_t *found)
{
	json_t *group;
	size_t i;

	json_array_foreach(json_object_get(list, "groups"), i, group)
	{
		const char *id = json_string_value(json_object_get(group, "id"));
		const char *its_name = json_string_value(json_object_get(group, "name"));

		if (id == NULL || its_name == NULL || !gs_is_uuid(id) || strcmp(its_name, name) != 0)
			continue;
		if (json_object_set_new(found, id, json_true()) != 0)
			return gs_error_memory(&client->box);
	}
	return GS_CLIENT_OK;
}

static int pick_only(GsClient *client, const char *name, json_t *found, char id[37])
{
	char ids[NAMESAKES_SHOWN * 37 + 1] = "";
	size_t shown = 0;
	const char *key;
	json_t *value;

	if (json_object_size(found) == 0)
		return gs_error_set(
			&client->box, GS_CLIENT_NOT_FOUND,
			"See your groups: groupshare groups; find others: groupshare search NAME. A hidden group is "
			"joined by its id, which its administrator can tell you.",
			"no group by the name \"%s\" is to be found", name);
	json_object_foreach(found, key, value)
	{
		memcpy(id, key, 37);
		if (shown++ < NAMESAKES_SHOWN)
			strcat(strcat(ids, " "), key);
	}
	if (json_object_size(found) > 1)
		return gs_error_set(&client->box, GS_CLIENT_CONFLICT, "Use the id instead of the name.",
							"%zu groups have the name \"%s\":%s", json_object_size(found), name, ids);
	return GS_CLIENT_OK;
}

int gs_client_find_group(GsClient *client, const char *reference, char id[37])
{
	json_t *list = NULL;
	json_t *found;
	int status;

	id[0] = '\0';
	if (gs_is_uuid(reference)) {
		memcpy(id, reference, 37);
		return GS_CLIENT_OK;
	}
	found = json_object();
	if (found == NULL)
		return gs_error_memory(&client->box);
	status = gs_client_groups(client, &list);
	if (status == GS_CLIENT_OK)
		status = collect_namesakes(client, list, reference, found);
	json_decref(list);
	list = NULL;
	/* A group of one's own goes before a stranger's of the same name. */
	if (status == GS_CLIENT_OK && json_object_size(found) == 0) {
		status = gs_client_search(client, reference, "exact", 0, &list);
		if (status == GS_CLIENT_OK)
			status = collect_namesakes(client, list, reference, found);
		json_decref(list);
	}
	if (status == GS_CLIENT_OK)
		status = pick_only(client, reference, found, id);
	json_decref(found);
	return status;
}

static json_t *string_array(const char *const *texts, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < count; i++) {
		if (json_array_append_new(array, json_string(texts[i])) != 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* Sets object[name] = value (stolen); false when either is missing. */
static bool put_member(json_t *object, const char *name, json_t *value)
{
	return object != NULL && json_object_set_new(object, name, value) == 0;
}

/* NULL without *ok = false: there is nothing to say about joining. */
static json_t *join_body(const GsClientSettings *settings, bool *ok)
{
	const struct {
		const char *name;
		const char *const *texts;
		size_t count;
	} lists[] = {{"listed", settings->listed, settings->listed_count},
				 {"listed_add", settings->listed_add, settings->listed_add_count},
				 {"listed_remove", settings->listed_remove, settings->listed_remove_count}};
	json_t *join = json_object();

	*ok = join != NULL;
	if (*ok && settings->join != NULL)
		*ok = put_member(join, "rule", json_string(settings->join));
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (*ok && lists[i].texts != NULL)
			*ok = put_member(join, lists[i].name, string_array(lists[i].texts, lists[i].count));
	}
	if (*ok && json_object_size(join) > 0)
		return join;
	json_decref(join);
	return NULL;
}

static json_t *settings_body(const GsClientSettings *settings)
{
	json_t *join;
	json_t *body = json_object();
	bool ok = body != NULL;

	if (ok && settings->administrators != NULL)
		ok = put_member(body, "administrators", string_array(settings->administrators, settings->administrators_count));
	if (ok && settings->listing != NULL)
		ok = put_member(body, "listing", json_string(settings->listing));
	if (ok && settings->name != NULL)
		ok = put_member(body, "name", json_string(settings->name));
	if (ok && settings->description != NULL)
		ok = put_member(body, "description", json_string(settings->description));
	if (ok && settings->max_members > 0)
		ok = put_member(body, "max_members", json_integer(settings->max_members));
	if (ok && (join = join_body(settings, &ok)) != NULL)
		ok = json_object_set_new(body, "join", join) == 0;
	if (!ok) {
		json_decref(body);
		return NULL;
	}
	return body;
}

int gs_client_create_group(GsClient *client, const char *name, const GsClientSettings *settings, json_t **reply)
{
	json_t *body = json_pack("{s:s}", "name", name);

	if (reply != NULL)
		*reply = NULL;
	if (body == NULL)
		return gs_error_set(&client->box, GS_CLIENT_INVALID, NULL, "the name is not UTF-8");
	if (settings != NULL && !put_member(body, "settings", settings_body(settings))) {
		json_decref(body);
		return gs_error_set(&client->box, GS_CLIENT_INVALID, NULL, "a setting is not UTF-8");
	}
	return simple_call(client, "POST", gs_session_path(client, "/v1/groups"), body, false, reply);
}

int gs_client_set_group(GsClient *client, const char *group_id, const GsClientSettings *settings, json_t **reply)
{
	json_t *body = settings_body(settings);

	if (reply != NULL)
		*reply = NULL;
	if (body == NULL)
		return gs_error_set(&client->box, GS_CLIENT_INVALID, NULL, "a setting is not UTF-8");
	return simple_call(client, "PUT", encoded_path(client, "/v1/groups/", group_id, "/settings", ""), body, true,
					   reply);
}

int gs_client_join(GsClient *client, const char *group_id, json_t **reply)
{
	return simple_call(client, "POST", encoded_path(client, "/v1/groups/", group_id, "/join", ""), json_object(), true,
					   reply);
}

int gs_client_remove_member(GsClient *client, const char *group_id, const char *terminal, json_t **reply)
{
	int status = GS_CLIENT_OK;

	if (reply != NULL)
		*reply = NULL;
	if (terminal == NULL)
		status = gs_session_terminal(client, &terminal);
	if (status != GS_CLIENT_OK)
		return status;
	return simple_call(client, "DELETE", encoded_path(client, "/v1/groups/", group_id, "/members/", terminal), NULL,
					   false, reply);
}

int gs_client_set_member(GsClient *client, const char *group_id, const char *terminal, const char *role, int banned,
						 json_t **reply)
{
	json_t *body = json_object();
	bool ok = body != NULL;

	if (reply != NULL)
		*reply = NULL;
	if (ok && role != NULL)
		ok = put_member(body, "role", json_string(role));
	if (ok && banned >= 0)
		ok = put_member(body, "banned", json_boolean(banned));
	if (!ok) {
		json_decref(body);
		return gs_error_memory(&client->box);
	}
	return simple_call(client, "PUT", encoded_path(client, "/v1/groups/", group_id, "/members/", terminal), body, true,
					   reply);
}

int gs_client_invite(GsClient *client, const char *group_id, const char *terminal, const char *role, json_t **reply)
{
	json_t *body = json_pack("{s:b}", "invited", 1);

	if (reply != NULL)
		*reply = NULL;
	if (body == NULL || (role != NULL && json_object_set_new(body, "role", json_string(role)) != 0)) {
		json_decref(body);
		return gs_error_set(&client->box, GS_CLIENT_INVALID, NULL, "the role is not UTF-8");
	}
	return simple_call(client, "PUT", encoded_path(client, "/v1/groups/", group_id, "/members/", terminal), body, true,
					   reply);
}

int gs_client_dissolve(GsClient *client, const char *group_id)
{
	return simple_call(client, "DELETE", encoded_path(client, "/v1/groups/", group_id, "", ""), NULL, false, NULL);
}

int gs_client_inquiries(GsClient *client, json_t **reply)
{
	return paged(client, gs_session_path(client, "/v1/inquiries?limit=100"), "inquiries", 0, reply);
}

int gs_client_decide(GsClient *client, const char *inquiry_id, const char *decision, json_t **reply)
{
	json_t *body = json_pack("{s:s}", "decision", decision);

	if (reply != NULL)
		*reply = NULL;
	if (body == NULL)
		return gs_error_set(&client->box, GS_CLIENT_INVALID, NULL, "the decision is not UTF-8");
	return simple_call(client, "POST", encoded_path(client, "/v1/inquiries/", inquiry_id, "", ""), body, false, reply);
}

int gs_client_shares(GsClient *client, json_t **reply)
{
	return paged(client, gs_session_path(client, "/v1/shares?limit=100"), "shares", 0, reply);
}

int gs_client_set_share(GsClient *client, const char *share_id, const char *const *groups, size_t count, json_t **reply)
{
	json_t *body = json_object();

	if (reply != NULL)
		*reply = NULL;
	if (!put_member(body, "groups", groups == NULL ? json_string("all") : string_array(groups, count))) {
		json_decref(body);
		return gs_error_memory(&client->box);
	}
	return simple_call(client, "PUT", encoded_path(client, "/v1/shares/", share_id, "", ""), body, true, reply);
}

int gs_client_delete_share(GsClient *client, const char *share_id)
{
	return simple_call(client, "DELETE", encoded_path(client, "/v1/shares/", share_id, "", ""), NULL, false, NULL);
}

int gs_client_events(GsClient *client, const char *after, int wait_s, json_t **reply)
{
	char *cursor = gs_percent_encode(after != NULL ? after : "");
	GsCall call = {.method = "GET", .idempotent = true, .wait_s = wait_s};
	char *path;
	int status = GS_CLIENT_NO_MEMORY;

	if (reply != NULL)
		*reply = NULL;
	if (wait_s < 0 || wait_s > 60 || cursor == NULL) {
		free(cursor);
		return gs_error_set(&client->box, GS_CLIENT_INVALID, NULL, "a wait is 0 to 60 seconds");
	}
	path = gs_session_path(client, "/v1/events?limit=100&wait=%d%s%s", wait_s, after != NULL ? "&after=" : "", cursor);
	call.path = path;
	if (path != NULL)
		status = gs_session_call(client, &call, reply, NULL);
	free(path);
	free(cursor);
	return status;
}
