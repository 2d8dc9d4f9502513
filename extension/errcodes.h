/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every SQLSTATE that groupshare raises; doc/contracts.md section 6 says what each means on the wire, and
 * gateway/sqlstate.c is the only place that turns one into an HTTP status.
 */
#ifndef GS_ERRCODES_H
#define GS_ERRCODES_H

#include "postgres.h"

#define GS_ERR_CONNECTION_FAILED MAKE_SQLSTATE('G', 'S', '0', '0', '1')
#define GS_ERR_SESSION_INVALID MAKE_SQLSTATE('G', 'S', '0', '0', '2')
#define GS_ERR_ENROLMENT_FAILED MAKE_SQLSTATE('G', 'S', '0', '0', '3')
#define GS_ERR_INVALID_PARAMETER MAKE_SQLSTATE('G', 'S', '0', '1', '0')
#define GS_ERR_UNKNOWN_MEMBER MAKE_SQLSTATE('G', 'S', '0', '1', '1')
#define GS_ERR_NOT_FOUND MAKE_SQLSTATE('G', 'S', '0', '1', '2')
#define GS_ERR_FORBIDDEN MAKE_SQLSTATE('G', 'S', '0', '1', '3')
#define GS_ERR_JOIN_REFUSED MAKE_SQLSTATE('G', 'S', '0', '1', '4')
#define GS_ERR_CONFLICT MAKE_SQLSTATE('G', 'S', '0', '1', '5')
#define GS_ERR_SHARE_EXISTS MAKE_SQLSTATE('G', 'S', '0', '1', '6')
#define GS_ERR_INQUIRY_DECIDED MAKE_SQLSTATE('G', 'S', '0', '1', '7')
#define GS_ERR_GROUP_NOT_LIVE MAKE_SQLSTATE('G', 'S', '0', '1', '8')
#define GS_ERR_NOT_A_MEMBER MAKE_SQLSTATE('G', 'S', '0', '1', '9')
#define GS_ERR_TOO_LARGE MAKE_SQLSTATE('G', 'S', '0', '2', '0')
#define GS_ERR_QUOTA_EXCEEDED MAKE_SQLSTATE('G', 'S', '0', '2', '1')
#define GS_ERR_NO_ROOM MAKE_SQLSTATE('G', 'S', '0', '2', '2')
#define GS_ERR_DEVICES_BUSY MAKE_SQLSTATE('G', 'S', '0', '2', '3')
#define GS_ERR_SHARE_PENDING MAKE_SQLSTATE('G', 'S', '0', '2', '4')
#define GS_ERR_DEVICE_UNAVAILABLE MAKE_SQLSTATE('G', 'S', '0', '2', '5')
#define GS_ERR_TOO_MANY_REQUESTS MAKE_SQLSTATE('G', 'S', '0', '2', '6')
#define GS_ERR_SHARE_DAMAGED MAKE_SQLSTATE('G', 'S', '0', '2', '7')
#define GS_ERR_UNKNOWN_DEVICE MAKE_SQLSTATE('G', 'S', '0', '3', '0')
#define GS_ERR_STALE_EPOCH MAKE_SQLSTATE('G', 'S', '0', '3', '1')
#define GS_ERR_RECEIPT_MISMATCH MAKE_SQLSTATE('G', 'S', '0', '3', '2')
#define GS_ERR_ANNOUNCE_FIRST MAKE_SQLSTATE('G', 'S', '0', '3', '3')
#define GS_ERR_NOT_SET_UP MAKE_SQLSTATE('G', 'S', '0', '4', '0')

#endif
