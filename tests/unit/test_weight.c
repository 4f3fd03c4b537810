#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "random.h"
#include "weight.h"

/* The stored tensor, the slice of it, and what a plain f64 loop over overlay_rows says. */
struct shape {
    size_t out_total, in, first_out, out, run, step;
};

static const struct shape shapes[] = {
    {1, 1, 0, 1, 0, 0},      {5, 3, 0, 5, 0, 0},
    {70, 37, 11, 41, 0, 0},  {300, 129, 100, 101, 0, 0},
    {33, 1100, 0, 33, 0, 0}, {1030, 40, 6, 1024, 0, 0},
    {72, 37, 3, 28, 7, 18},  {1200, 40, 100, 600, 100, 200}, /* in runs: never transposed */
};

/* Of types with blocks: whole ones in each stored row and where a slice of a transposed weight begins. */
static const struct shape block_shapes[] = {
    {512, 256, 256, 256, 0, 0},
    {70, 1280, 11, 41, 0, 0},
    {72, 256, 3, 28, 7, 18},
};
static const enum dtype block_dtypes[] = {DTYPE_Q4_1, DTYPE_Q8_0, DTYPE_Q4_K, DTYPE_Q6_K, DTYPE_IQ2_S};
enum {
    N_BLOCK_SHAPES = sizeof block_shapes / sizeof *block_shapes,
    N_BLOCK_DTYPES = sizeof block_dtypes / sizeof *block_dtypes
};

/* The stored row of a row of the slice. */
static size_t stored_row(const struct shape *s, size_t row)
{
    return s->first_out + (s->run ? row / s->run * s->step + row % s->run : row);
}

enum { N_SHAPES = sizeof shapes / sizeof *shapes, MAX_M = 66 };

static const enum dtype dtypes[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16, DTYPE_F64, DTYPE_I8};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

enum change { CHANGE_NONE, CHANGE_FACTORS, CHANGE_DELTA, CHANGE_BYTES, CHANGES };

struct fixture {
    struct tensor tensor;
    struct weight weight;
    struct overlay *overlay;
    uint8_t *block; /* one byte before the data when unaligned */
    double *w;      /* [out, in] as it should be seen */
    real *x, *y, *bias;
    double *want, *magnitude; /* [m, out or in] and the sum of absolute products */
};

static double draw(uint64_t stream, uint64_t i)
{
    return random_normal((struct random_key){3, stream}, i);
}

static void store(enum dtype dtype, double value, uint8_t *to)
{
    int8_t byte = (int8_t)(value * 20);

    if (dtype == DTYPE_I8)
        memcpy(to, &byte, 1);
    else if (dtype == DTYPE_F64)
        memcpy(to, &value, 8);
    else
        rows_from_f64(dtype, &value, 1, to);
}

/* Random bytes, every other of them small, so that scales are small numbers. */
static void fill_blocks(enum dtype dtype, size_t n, uint64_t stream, uint8_t *to)
{
    for (size_t i = 0; i < dtype_extent(dtype, n); i++)
        to[i] = i % 2 ? 0x18 + i % 7 : (uint8_t)random_u64((struct random_key){3, stream}, i);
}

static void fill(enum dtype dtype, size_t n, uint64_t stream, uint8_t *to)
{
    size_t size = dtype_facts(dtype)->block_bits / 8;

    if (dtype_facts(dtype)->block_elements > 1) {
        fill_blocks(dtype, n, stream, to);
        return;
    }
    for (size_t i = 0; i < n; i++)
        store(dtype, draw(stream, i), to + i * size);
}

static void add_change(struct fixture *f, enum change change)
{
    struct error err = {0};
    size_t n = (size_t)f->tensor.elements, rows = (size_t)f->tensor.shape[0],
           columns = (size_t)f->tensor.shape[1];
    double *left = memory_array(2 * rows, sizeof *left), *right = memory_array(2 * columns, sizeof *right);

    for (size_t i = 0; i < 2 * rows; i++)
        left[i] = draw(5, i);
    for (size_t i = 0; i < 2 * columns; i++)
        right[i] = draw(6, i);
    if (change == CHANGE_BYTES) {
        uint8_t *bytes = memory_array(n, 8);
        fill(f->tensor.dtype, n, 7, bytes);
        ck_assert(overlay_replace(f->overlay, &f->tensor, bytes, &err));
    } else if (change != CHANGE_NONE) {
        ck_assert(overlay_add(f->overlay, &f->tensor, change == CHANGE_FACTORS ? 2 : 0, left, right, &err));
        f->overlay->entries[0].scale = .5;
    }
    if (change == CHANGE_DELTA) {
        double *delta = f->overlay->entries[0].delta = memory_array(n, sizeof *delta);
        for (size_t i = 0; i < n; i++)
            delta[i] = draw(8, i);
    }
    free(left);
    free(right);
}

static void setup_fixture(struct fixture *f, enum dtype dtype, const struct shape *s, bool transposed,
                          enum change change, bool aligned)
{
    struct error err = {0};
    size_t n = s->out_total * s->in, widest = s->in > s->out ? s->in : s->out, columns;
    double *all;

    transposed = transposed && !s->run;
    memset(f, 0, sizeof *f);
    f->block = memory_aligned(n * 8 + 64, 1);
    fill(dtype, n, 1, f->block + !aligned);
    f->tensor =
        (struct tensor){.name = "w", .dtype = dtype, .rank = 2, .elements = n, .data = f->block + !aligned};
    f->tensor.shape[0] = transposed ? s->in : s->out_total;
    f->tensor.shape[1] = columns = transposed ? s->out_total : s->in;
    f->overlay = overlay_new();
    add_change(f, change);
    f->weight =
        (struct weight){&f->tensor, f->overlay, s->out, s->in, s->first_out, transposed, s->run, s->step};
    f->w = memory_array(s->out * s->in, sizeof *f->w);
    all = memory_array(n, sizeof *all);
    ck_assert(overlay_rows(f->overlay, &f->tensor, 0, (size_t)f->tensor.shape[0], all, &err));
    for (size_t o = 0; o < s->out; o++)
        for (size_t i = 0; i < s->in; i++)
            f->w[o * s->in + i] =
                transposed ? all[i * columns + s->first_out + o] : all[stored_row(s, o) * columns + i];
    free(all);
    f->x = memory_array(MAX_M * widest, sizeof *f->x);
    f->y = memory_array(MAX_M * widest, sizeof *f->y);
    f->bias = memory_array(widest, sizeof *f->bias);
    f->want = memory_array(MAX_M * widest, sizeof *f->want);
    f->magnitude = memory_array(MAX_M * widest, sizeof *f->magnitude);
    for (size_t i = 0; i < MAX_M * widest; i++)
        f->x[i] = (real)draw(2, i);
    for (size_t i = 0; i < widest; i++)
        f->bias[i] = (real)draw(3, i);
}

static void release_fixture(struct fixture *f)
{
    overlay_free(f->overlay);
    free(f->block);
    free(f->w);
    free(f->x);
    free(f->y);
    free(f->bias);
    free(f->want);
    free(f->magnitude);
}

/* y = x W^T or x W in f64. */
static void plain_product(struct fixture *f, size_t m, bool transposed)
{
    size_t out = f->weight.out, in = f->weight.in, n = transposed ? in : out, k = transposed ? out : in;

    for (size_t row = 0; row < m; row++)
        for (size_t c = 0; c < n; c++) {
            double sum = 0, magnitude = 0;
            for (size_t i = 0; i < k; i++) {
                double term = (double)f->x[row * k + i] * f->w[transposed ? i * in + c : c * in + i];
                sum += term;
                magnitude += fabs(term);
            }
            f->want[row * n + c] = sum;
            f->magnitude[row * n + c] = magnitude;
        }
}

/* The error bound of a sum in any order is k u sum |terms|; blocks make it far smaller, 16 u covers them. */
static double tolerance(double magnitude)
{
    double unit = sizeof(real) == 4 ? 0x1p-24 : 0x1p-53;

    return 16 * unit * (magnitude + 1);
}

static void check_products(const struct context *context, struct fixture *f, size_t m, const char *what)
{
    struct error err = {0};
    size_t out = f->weight.out, in = f->weight.in;

    plain_product(f, m, false);
    weight_matmul(context, &f->weight, NULL, f->x, m, f->y);
    for (size_t i = 0; i < m * out; i++)
        ck_each(fabs((double)f->y[i] - f->want[i]) <= tolerance(f->magnitude[i]),
                "%s, m %zu, element %zu: %g, %g", what, m, i, (double)f->y[i], f->want[i]);
    weight_matmul(context, &f->weight, f->bias, f->x, m, f->y);
    for (size_t i = 0; i < m * out; i++)
        ck_each(fabs((double)f->y[i] - f->want[i] - (double)f->bias[i % out]) <=
                    tolerance(f->magnitude[i]) * 2,
                "%s with more, m %zu, element %zu", what, m, i);
    plain_product(f, m, true);
    ck_assert(weight_matmul_transposed(context, &f->weight, f->x, m, false, f->y, &err));
    for (size_t i = 0; i < m * in; i++)
        ck_each(fabs((double)f->y[i] - f->want[i]) <= tolerance(f->magnitude[i]),
                "%s transposed, m %zu, element %zu: %g, %g", what, m, i, (double)f->y[i], f->want[i]);
    for (size_t i = 0; i < m * in; i++)
        f->y[i] = 1;
    ck_assert(weight_matmul_transposed(context, &f->weight, f->x, m, true, f->y, &err));
    for (size_t i = 0; i < m * in; i++)
        ck_each(fabs((double)f->y[i] - f->want[i] - 1) <= tolerance(f->magnitude[i]) * 2,
                "%s with more, m %zu, element %zu", what, m, i);
}

static void setup_context(struct context *context, unsigned n_threads)
{
    struct error err = {0};

    *context = (struct context){0};
    ck_assert_msg(pool_new(n_threads, &context->pool, &err), "%s", err.text);
}

START_TEST(products_are_those_of_a_plain_loop)
{
    static const size_t few[] = {1, 2, 3, 5, 65};
    struct context context;
    char what[100];

    setup_context(&context, 2);
    for (int s = 0; s < N_SHAPES; s++)
        for (int change = 0; change < CHANGES; change++)
            for (int transposed = 0; transposed < 2; transposed++) {
                struct fixture f;
                setup_fixture(&f, dtypes[_i], &shapes[s], transposed, (enum change)change, change % 2 == 0);
                snprintf(what, sizeof what, "%s, shape %d, change %d, transposed %d",
                         dtype_facts(dtypes[_i])->name, s, change, transposed);
                for (size_t m = 0; m<sizeof few / sizeof *few; m += f.weight.out> 100 ? 2 : 1)
                    check_products(&context, &f, few[m], what);
                release_fixture(&f);
            }
    pool_free(context.pool);
}
END_TEST

START_TEST(products_of_blocks)
{
    static const size_t few[] = {1, 2, 3, 8, 65};
    struct context context;
    char what[100];

    setup_context(&context, 2);
    for (int s = 0; s < N_BLOCK_SHAPES; s++)
        for (int change = 0; change < CHANGES; change++)
            for (int transposed = 0; transposed < (s == 0 ? 2 : 1); transposed++) {
                struct fixture f;
                setup_fixture(&f, block_dtypes[_i], &block_shapes[s], transposed, (enum change)change,
                              change % 2 == 0);
                snprintf(what, sizeof what, "%s, shape %d, change %d, transposed %d",
                         dtype_facts(block_dtypes[_i])->name, s, change, transposed);
                for (size_t m = 0; m < sizeof few / sizeof *few; m += s == 0 ? 2 : 1)
                    check_products(&context, &f, few[m], what);
                release_fixture(&f);
            }
    pool_free(context.pool);
}
END_TEST

START_TEST(every_number_of_rows)
{
    struct context context;
    struct fixture f;

    setup_context(&context, 2);
    setup_fixture(&f, DTYPE_BF16, &shapes[2], _i, CHANGE_FACTORS, true);
    for (size_t m = 0; m <= MAX_M; m += m < 20 ? 1 : 11)
        check_products(&context, &f, m, "BF16");
    release_fixture(&f);
    pool_free(context.pool);
}
END_TEST

START_TEST(threads_do_not_change_bits)
{
    static const struct shape wide = {700, 1100, 50, 600, 0, 0}, wide_blocks = {512, 1280, 256, 256, 0, 0};
    static const size_t few[] = {1, 2, 7, 40, 66};
    struct error err = {0};
    struct context one, many;
    struct fixture f;
    real *other;

    setup_context(&one, 1);
    setup_context(&many, (unsigned)_i);
    for (int i = 0; i < 4; i++) {
        const struct shape *s = i < 2 ? &wide : &wide_blocks;
        setup_fixture(&f, i < 2 ? DTYPE_BF16 : DTYPE_Q4_K, s, i % 2, CHANGE_FACTORS, true);
        other = memory_array(MAX_M * s->in, sizeof *other);
        for (size_t m = 0; m < sizeof few / sizeof *few; m++) {
            weight_matmul(&one, &f.weight, NULL, f.x, few[m], f.y);
            weight_matmul(&many, &f.weight, NULL, f.x, few[m], other);
            ck_assert_mem_eq(f.y, other, few[m] * s->out * sizeof *other);
            ck_assert(weight_matmul_transposed(&one, &f.weight, f.x, few[m], false, f.y, &err));
            ck_assert(weight_matmul_transposed(&many, &f.weight, f.x, few[m], false, other, &err));
            ck_assert_mem_eq(f.y, other, few[m] * s->in * sizeof *other);
        }
        free(other);
        release_fixture(&f);
    }
    pool_free(one.pool);
    pool_free(many.pool);
}
END_TEST

/* So many rows that they are cut into blocks too, of an uneven last one. */
START_TEST(many_rows)
{
    enum { ROWS = 2 * 512 + 75 };
    struct context context;
    struct fixture f;
    real *x, *y;

    setup_context(&context, 2);
    setup_fixture(&f, DTYPE_BF16, &shapes[2], _i, CHANGE_FACTORS, true);
    x = memory_array(ROWS * f.weight.in, sizeof *x);
    y = memory_array(ROWS * f.weight.out, sizeof *y);
    for (size_t i = 0; i < ROWS * f.weight.in; i++)
        x[i] = (real)draw(9, i);
    weight_matmul(&context, &f.weight, NULL, x, ROWS, y);
    for (size_t i = 0; i < ROWS * f.weight.out; i++) {
        double want = 0, magnitude = 0;

        for (size_t k = 0; k < f.weight.in; k++) {
            double product =
                (double)x[i / f.weight.out * f.weight.in + k] * f.w[i % f.weight.out * f.weight.in + k];

            want += product;
            magnitude += fabs(product);
        }
        ck_each(fabs((double)y[i] - want) <= tolerance(magnitude), "element %zu: %g, %g", i, (double)y[i],
                want);
    }
    free(x);
    free(y);
    release_fixture(&f);
    pool_free(context.pool);
}
END_TEST

/* The bits are those of the products one by one; some have factors, one has no elements. */
START_TEST(several_products)
{
    static const size_t few[] = {0, 1, 7, 66};
    static const struct shape wide = {300, 129, 100, 150, 0, 0}, none = {5, 129, 3, 0, 0, 0};
    const struct shape *of[] = {&wide, &none, &shapes[3], &wide};
    struct context context;
    struct fixture f[WEIGHT_PRODUCTS_MAX];
    struct weight_product products[WEIGHT_PRODUCTS_MAX];
    real *alone;

    setup_context(&context, 2);
    alone = memory_array(MAX_M * wide.out, sizeof *alone);
    for (size_t i = 0; i < WEIGHT_PRODUCTS_MAX; i++) {
        setup_fixture(&f[i], i % 2 ? DTYPE_F32 : DTYPE_BF16, of[i], i == 3,
                      i == 1 ? CHANGE_NONE : CHANGE_FACTORS, false);
        products[i] = (struct weight_product){&f[i].weight, i == 2 ? f[i].bias : NULL, f[i].y};
    }
    for (size_t m = 0; m < sizeof few / sizeof *few; m++) {
        weight_matmul_several(&context, products, WEIGHT_PRODUCTS_MAX, f[0].x, few[m]);
        for (size_t i = 0; i < WEIGHT_PRODUCTS_MAX; i++) {
            weight_matmul(&context, &f[i].weight, products[i].bias, f[0].x, few[m], alone);
            ck_assert_mem_eq(f[i].y, alone, few[m] * of[i]->out * sizeof *alone);
        }
    }
    for (size_t i = 0; i < WEIGHT_PRODUCTS_MAX; i++)
        release_fixture(&f[i]);
    free(alone);
    pool_free(context.pool);
}
END_TEST

START_TEST(rows_and_vectors)
{
    struct fixture f;
    struct weight vector;
    real got[3 * 129];

    for (int change = 0; change < CHANGES; change++)
        for (int transposed = 0; transposed < 2; transposed++) {
            setup_fixture(&f, dtypes[_i], &shapes[3], transposed, (enum change)change, true);
            weight_rows(&f.weight, 50, 3, got);
            for (size_t i = 0; i < 3 * 129; i++)
                ck_assert_double_eq_tol((double)got[i], f.w[50 * 129 + i],
                                        1e-6 * (1 + fabs(f.w[50 * 129 + i])));
            release_fixture(&f);
        }
    for (int change = 0; change < CHANGES; change++) {
        static const struct shape line = {1, 100, 0, 1, 0, 0};
        setup_fixture(&f, dtypes[_i], &line, false, (enum change)change, true);
        vector = (struct weight){&f.tensor, f.overlay, 60, 1, 30, false, 0, 0};
        f.tensor.rank = 1;
        f.tensor.shape[0] = 100;
        weight_vector(&vector, got);
        for (size_t i = 0; i < 60; i++)
            ck_each(fabs((double)got[i] - f.w[30 + i]) <= 1e-6 * (1 + fabs(f.w[30 + i])), "element %zu", i);
        vector = (struct weight){&f.tensor, f.overlay, 20, 1, 3, false, 5, 25}; /* a fused bias of 4 heads */
        weight_vector(&vector, got);
        for (size_t i = 0; i < 20; i++) {
            double want = f.w[3 + i / 5 * 25 + i % 5];
            ck_each(fabs((double)got[i] - want) <= 1e-6 * (1 + fabs(want)), "element %zu", i);
        }
        release_fixture(&f);
        /* a vector stored by head, seen through a change of that matrix */
        setup_fixture(&f, dtypes[_i], &shapes[1], false, (enum change)change, true);
        vector = (struct weight){&f.tensor, f.overlay, 15, 1, 0, false, 0, 0};
        weight_vector(&vector, got);
        for (size_t i = 0; i < 15; i++)
            ck_each(fabs((double)got[i] - f.w[i]) <= 1e-6 * (1 + fabs(f.w[i])), "element %zu", i);
        release_fixture(&f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weight");
    TCase *tc = tcase_create("weight");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, products_are_those_of_a_plain_loop, 0, N_DTYPES);
    tcase_add_loop_test(tc, products_of_blocks, 0, N_BLOCK_DTYPES);
    tcase_add_loop_test(tc, every_number_of_rows, 0, 2);
    tcase_add_loop_test(tc, many_rows, 0, 2);
    tcase_add_test(tc, several_products);
    tcase_add_loop_test(tc, threads_do_not_change_bits, 2, 4);
    tcase_add_loop_test(tc, rows_and_vectors, 0, N_DTYPES);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
