/* SPDX-License-Identifier: PostgreSQL */
/* What is served (doc/contracts.md section 5). */
#include "storaged/routes.h"

#include "storaged/delete.h"
#include "storaged/get.h"
#include "storaged/patch.h"
#include "storaged/put.h"

const GsRoute gs_storage_routes[] = {{"PUT", "/v1/objects/{object}", &gs_put_handler, NULL},
									 {"GET", "/v1/objects/{object}", &gs_get_handler, NULL},
									 {"HEAD", "/v1/objects/{object}", &gs_head_handler, NULL},
									 {"PATCH", "/v1/objects/{object}", &gs_patch_handler, NULL},
									 {"POST", "/v1/objects/{object}", &gs_post_handler, NULL},
									 {"OPTIONS", "/v1/objects/{object}", &gs_options_handler, NULL},
									 {"DELETE", "/v1/objects/{object}", &gs_delete_handler, NULL},
									 {NULL, NULL, NULL, NULL}};
