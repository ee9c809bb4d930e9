// SPDX-License-Identifier: Apache-2.0
// libcurl's variadic calls, which Swift can't make, as plain ones; one for each kind of argument.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <signal.h>
#include <stddef.h>

typedef size_t (*dray_curl_bytes)(char *, size_t, size_t, void *);
typedef int (*dray_curl_progress)(void *, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

static inline CURLcode dray_curl_global_init(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }

static inline CURLcode dray_curl_set_long(CURL *curl, CURLoption option, long value) {
    return curl_easy_setopt(curl, option, value);
}

static inline CURLcode dray_curl_set_offset(CURL *curl, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(curl, option, value);
}

// libcurl copies the string.
static inline CURLcode dray_curl_set_string(CURL *curl, CURLoption option, const char *value) {
    return curl_easy_setopt(curl, option, value);
}

// libcurl keeps the pointer until the transfer ends.
static inline CURLcode dray_curl_set_pointer(CURL *curl, CURLoption option, void *value) {
    return curl_easy_setopt(curl, option, value);
}

static inline CURLcode dray_curl_set_bytes_callback(CURL *curl, CURLoption option, dray_curl_bytes callback) {
    return curl_easy_setopt(curl, option, callback);
}

static inline CURLcode dray_curl_set_progress_callback(CURL *curl, dray_curl_progress callback) {
    return curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, callback);
}

static inline CURLcode dray_curl_get_long(CURL *curl, CURLINFO info, long *value) {
    return curl_easy_getinfo(curl, info, value);
}

static inline CURLcode dray_curl_get_offset(CURL *curl, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(curl, info, value);
}

// The certificates that the last connection was shown; libcurl keeps them until the handle's next transfer.
static inline const struct curl_certinfo *dray_curl_certificates(CURL *curl) {
    struct curl_certinfo *list = NULL;
    return curl_easy_getinfo(curl, CURLINFO_CERTINFO, &list) == CURLE_OK ? list : NULL;
}

// With CURLOPT_NOSIGNAL libcurl leaves SIGPIPE to the program, and OpenSSL writes with write(): a registry that hangs
// up would end the process. The signal is held back in this thread alone, and one that came meanwhile is taken away.
static inline CURLcode dray_curl_perform(CURL *curl) {
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    int wasPending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    CURLcode code = curl_easy_perform(curl);
    if (!wasPending) {
        struct timespec now = {0, 0};
        while (sigtimedwait(&pipe, NULL, &now) > 0) {}
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}
