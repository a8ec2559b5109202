// The matrix products of a loss from hidden states, by oneDNN and by OpenBLAS; PeerProcess.cs has the protocol. Nothing of the loss is
// timed but these: the logits, and for the gradients two more, of the logits' gradient G, which is made once, ahead, as all memory is.
// Compiled with ONEDNN, OPENBLAS or both defined; one process for both, since the weight of a large model is large.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef ONEDNN
#include <dnnl.h>
#endif
#ifdef OPENBLAS
#include <cblas.h>
#endif

// Row-major: C = A · B, of m × k and k × n, each of A and B as it is ('N') or transposed ('T').
using gemm = void (*)(char transpose_a, char transpose_b, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c);

struct library {
  std::string by, name;
  gemm multiply;
};

static std::vector<library> libraries([[maybe_unused]] int threads) {
  std::vector<library> found;
#ifdef ONEDNN
  const dnnl_version_t *version = dnnl_version();
  const auto part = [](int number) { return std::to_string(number); };
  found.push_back({"oneDNN " + part(version->major) + "." + part(version->minor) + "." + part(version->patch), "dnnl_sgemm",
    [](char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c) {
      if (dnnl_sgemm(ta, tb, m, n, k, 1, a, ta == 'N' ? k : m, b, tb == 'N' ? n : k, 0, c, n) != dnnl_success)
        throw std::runtime_error("dnnl_sgemm failed");
    }}); // its threads are OMP_NUM_THREADS
#endif
#ifdef OPENBLAS
  openblas_set_num_threads(threads);
  std::string config = openblas_get_config(); // "OpenBLAS 0.3.21 …"
  found.push_back({config.substr(0, config.find(' ', config.find(' ') + 1)), "cblas_sgemm",
    [](char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c) {
      cblas_sgemm(CblasRowMajor, ta == 'N' ? CblasNoTrans : CblasTrans, tb == 'N' ? CblasNoTrans : CblasTrans,
        m, n, k, 1, a, ta == 'N' ? k : m, b, tb == 'N' ? n : k, 0, c, n);
    }});
#endif
  return found;
}

static float *allocate(int64_t count) {
  const size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
  float *values = static_cast<float *>(std::aligned_alloc(64, bytes));
  if (values == nullptr) throw std::bad_alloc();
  std::memset(values, 0, bytes); // so that every page exists before anything is timed
  return values;
}

template <typename T>
static void read(const std::string &path, T *values, int64_t count) {
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char *>(values), count * sizeof(T))) throw std::runtime_error("cannot read " + path);
}

static double dot(const float *a, const float *b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

static double milliseconds(const std::function<void()> &run, int calls) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; i++) run();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

int main(int, char **argv) {
  const std::string folder = argv[1];
  const int64_t tokens = std::atoll(argv[2]), width = std::atoll(argv[3]), vocabulary = std::atoll(argv[4]);
  const double scale = std::atof(argv[6]) / tokens;

  float *hidden = allocate(tokens * width), *weight = allocate(vocabulary * width);
  float *logits = allocate(tokens * vocabulary), *logits_gradient = allocate(tokens * vocabulary);
  float *hidden_gradient = allocate(tokens * width), *weight_gradient = allocate(vocabulary * width);
  std::vector<int64_t> targets(tokens);
  read(folder + "/hidden.f32", hidden, tokens * width);
  read(folder + "/weight.f32", weight, vocabulary * width);
  read(folder + "/targets.i64", targets.data(), tokens);

  // The mean loss; makes G of the logits.
  const auto differentiate = [&] {
    double loss = 0;
    for (int64_t t = 0; t < tokens; t++) {
      const float *x = logits + t * vocabulary;
      float *g = logits_gradient + t * vocabulary;
      const float max = *std::max_element(x, x + vocabulary);
      double sum = 0;
      for (int64_t v = 0; v < vocabulary; v++) sum += g[v] = std::exp(x[v] - max);
      for (int64_t v = 0; v < vocabulary; v++) g[v] *= static_cast<float>(scale / sum);
      g[targets[t]] -= static_cast<float>(scale);
      loss += max + std::log(sum) - x[targets[t]];
    }
    return loss / tokens;
  };

  std::vector<std::function<void()>> contenders;
  for (const library &by : libraries(std::atoi(argv[5]))) {
    const gemm multiply = by.multiply;
    const auto forward = [=] { multiply('N', 'T', tokens, vocabulary, width, hidden, weight, logits); };
    const auto gradient = [=] {
      forward();
      multiply('N', 'N', tokens, width, vocabulary, logits_gradient, weight, hidden_gradient);
      multiply('T', 'N', vocabulary, width, tokens, logits_gradient, hidden, weight_gradient);
    };
    forward();
    const double loss = differentiate();
    std::printf("Forward\tReused\t%s\t%s, logits only\t%.9g\n", by.by.c_str(), by.name.c_str(), loss);
    gradient();
    std::printf("Gradient\tReused\t%s\t%s, three products only\t%.9g\t%.9g\t%.9g\n", by.by.c_str(), by.name.c_str(), loss,
      dot(hidden_gradient, hidden, tokens * width), dot(weight_gradient, weight, vocabulary * width));
    contenders.push_back(forward);
    contenders.push_back(gradient);
    std::fill_n(hidden_gradient, tokens * width, 0.0f); // whatever the next one finds there is its own
    std::fill_n(weight_gradient, vocabulary * width, 0.0f);
    std::fill_n(logits, tokens * vocabulary, 0.0f);
  }
  std::printf("ready\n");
  std::fflush(stdout);

  for (std::string line; std::getline(std::cin, line);) {
    const auto &run = contenders[std::stoi(line)];
    const double waking = milliseconds(run, 1); // threads and caches
    const int calls = static_cast<int>(std::max(1.0, 2 / waking));
    std::printf("%.6f\n", milliseconds(run, calls) / calls);
    std::fflush(stdout);
  }
}
