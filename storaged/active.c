/* SPDX-License-Identifier: PostgreSQL */
/* Claims on objects; see active.h. Object ids are random UUIDs made by the control servers: three digits spread well.
 */
#include "storaged/active.h"

#include <assert.h>
#include <stdlib.h>

static size_t bucket_of(const GsUuid *object)
{
	return gs_uuid_place(object) % GS_ACTIVE_BUCKETS;
}

GsActive *gs_active_find(const GsActiveTable *table, const GsUuid *object)
{
	GsActive *entry = table->buckets[bucket_of(object)];

	while (entry != NULL && !gs_uuid_equal(&entry->object, object))
		entry = entry->next;
	return entry;
}

void gs_active_add(GsActiveTable *table, GsActive *entry, const GsUuid *object, GsActiveKind kind)
{
	GsActive **bucket = &table->buckets[bucket_of(object)];

	assert(gs_active_find(table, object) == NULL);
	entry->object = *object;
	entry->kind = kind;
	entry->next = *bucket;
	*bucket = entry;
}

void gs_active_remove(GsActiveTable *table, GsActive *entry)
{
	GsActive **at = &table->buckets[bucket_of(&entry->object)];

	while (*at != entry) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = entry->next;
}
