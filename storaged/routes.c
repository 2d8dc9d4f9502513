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

const GsCorsNames gs_storage_cors = {
	.request = "authorization, content-digest, content-type, if-match, if-none-match, if-range, range, repr-digest, "
			   "tus-resumable, "
			   "upload-checksum, upload-complete, upload-draft-interop-version, upload-length, upload-offset, "
			   "x-http-method-override, x-request-id",
	.answer =
		"accept-patch, accept-ranges, allow, content-disposition, content-range, etag, repr-digest, retry-after, "
		"tus-checksum-algorithm, tus-extension, tus-max-size, tus-resumable, tus-version, upload-complete, "
		"upload-draft-interop-version, upload-expires, upload-length, upload-limit, upload-offset, www-authenticate, "
		"x-request-id",
};
