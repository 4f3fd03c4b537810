/* Steps against the neighbours that the encodings have. */
#include "step.h"

#include <math.h>

#include "rows.h"
#include "suite.h"

START_TEST(steps_lead_to_the_next_encoding)
{
    static const struct {
        enum dtype dtype;
        uint32_t infinity;
        unsigned bytes;
    } rows[] = {{DTYPE_F16, 0x7c00, 2}, {DTYPE_BF16, 0x7f80, 2}, {DTYPE_F32, 0x7f800000, 4}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        uint32_t stride = rows[r].bytes == 2 ? 1 : 65521;
        for (uint32_t bits = 0; bits + 1 < rows[r].infinity; bits += stride) {
            uint32_t next = bits + 1;
            double value, above;
            rows_to_f64(rows[r].dtype, &bits, 1, &value);
            rows_to_f64(rows[r].dtype, &next, 1, &above);
            ck_each(step_at(rows[r].dtype, value) == above - value, "row %zu, bits %x", r, bits);
            ck_each(step_at(rows[r].dtype, -value) == above - value, "row %zu, bits -%x", r, bits);
        }
    }
    ck_assert(step_at(DTYPE_F64, 1) == 0x1p-52 && step_at(DTYPE_F64, 0) == 0x1p-1074);
}
END_TEST

START_TEST(what_has_no_step)
{
    ck_assert(step_at(DTYPE_F32, INFINITY) == 0 && step_at(DTYPE_BF16, NAN) == 0);
    ck_assert(step_at(DTYPE_I32, 5) == 0 && step_at(DTYPE_F8_E4M3, 1) == 0);
    ck_assert(step_variance(DTYPE_BF16, 1, DTYPE_F32, 1) == 0x1p-14 / 12);
    ck_assert(step_variance(DTYPE_F32, 1, DTYPE_BF16, 4) == 0x1p-10 / 12);
    ck_assert(step_variance(DTYPE_F32, 1, DTYPE_I8, 4) == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("step");
    TCase *tc = tcase_create("step");
    tcase_add_test(tc, steps_lead_to_the_next_encoding);
    tcase_add_test(tc, what_has_no_step);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
