/* A client of the Open Inference Protocol, and a daemon for it with two versions of one simulated
 * calibration, `toy`. Requests are byte for byte what the Python client of Triton writes: no
 * Content-Type, JSON without blanks, tensors behind it. Any failure ends the test. */
#ifndef NTK_TESTS_HTTP_INFERENCE_CLIENT_H
#define NTK_TESTS_HTTP_INFERENCE_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#include "tests/support/daemon.h"

enum { SAMPLES = 60, LEADS = 6, FEATURES = 24, STATIONS = 36, COVARIATES = 2 };
enum { LEAD_24 = 2, LEAD_48 = 3 };

/* From oip_start to oip_stop; what the calibration was fitted to. */
extern struct ntk_test_daemon oip_served;
extern float oip_features[SAMPLES][LEADS][FEATURES], oip_station[SAMPLES][LEADS][STATIONS];
extern float oip_energy[SAMPLES][LEADS], oip_covariates[SAMPLES][COVARIATES];

void oip_start(void);
void oip_stop(void);

/* ---- requests: _message, _begin, an _add for each input, one of the ends, _send or _infer ---- */

struct oip_message {
    size_t used, size;
    int inputs;
    char json[16384];
    unsigned char binary[1 << 20];
};

struct oip_message *oip_message(void);
void oip_begin(struct oip_message *m);

/* InferInput.set_data_from_numpy(array); `shape` is JSON. */
void oip_add_binary(struct oip_message *m, const char *name, const char *shape, const char *type,
                    const void *bytes, size_t size);

/* With binary_data=False; `data` is JSON. */
void oip_add_json(struct oip_message *m, const char *name, const char *shape, const char *type,
                  const char *data);

/* No outputs named, so that all come as binary; or `rest`, which are further members. */
void oip_end(struct oip_message *m);
void oip_end_with(struct oip_message *m, const char *rest);

/* Both free the message. */
struct ntk_test_reply oip_send(struct oip_message *m, const char *path);

/* ---- replies -------------------------------------------------------------------------------- */

struct oip_answer {
    struct ntk_test_reply reply;
    size_t json_size;
    json_t *json;
};

struct oip_answer oip_take(struct ntk_test_reply reply, int status);
struct oip_answer oip_infer(struct oip_message *m); /* of toy; status 200 */
void oip_drop(struct oip_answer *answer);

/* An output, or NULL; its binary_data_size, or -1; its element i, null as NAN. */
const json_t *oip_find(const struct oip_answer *answer, const char *name);
json_int_t oip_binary_size(const json_t *output);
double oip_value(const struct oip_answer *answer, const char *name, size_t i);

/* A problem of that status whose `error` has `sentence` in it. */
void oip_expect_problem(struct ntk_test_reply reply, int status, const char *sentence);

json_t *oip_get(const char *path, int status);

#endif
