// Channels lie side by side, in whole vectors of the processor that this is compiled for: blocks
// are filled up with channels that stay zero.

#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

namespace hopkin::nequip {

#if defined(__AVX512F__)
inline constexpr int VECTOR_BYTES = 64;
inline constexpr int ROWS_AT_ONCE = 8;
inline constexpr const char *INSTRUCTIONS = "AVX-512";
#elif defined(__AVX2__)
inline constexpr int VECTOR_BYTES = 32;
inline constexpr int ROWS_AT_ONCE = 4;
inline constexpr const char *INSTRUCTIONS = "AVX2";
#else
inline constexpr int VECTOR_BYTES = 16;
inline constexpr int ROWS_AT_ONCE = 4;
inline constexpr const char *INSTRUCTIONS = "128-bit vectors";
#endif

template <class Real> struct VectorOf;
template <> struct VectorOf<float> {
  using type [[gnu::vector_size(VECTOR_BYTES)]] = float;
};
template <> struct VectorOf<double> {
  using type [[gnu::vector_size(VECTOR_BYTES)]] = double;
};

template <class Real> using Vector = typename VectorOf<Real>::type;
template <class Real> inline constexpr int WIDTH = VECTOR_BYTES / int(sizeof(Real));

template <class Real> inline Vector<Real> load(const Real *from)
{
  Vector<Real> vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class Real> inline void store(Real *to, const Vector<Real> &vector)
{
  std::memcpy(to, &vector, sizeof vector);
}

template <class Real> inline Real sum(const Vector<Real> &vector)
{
  Real total = 0;
  for (int n = 0; n < WIDTH<Real>; ++n) total += vector[n];
  return total;
}

/// Smallest multiple of a vector's width that holds n channels.
template <class Real> constexpr int padded(int n)
{
  return (n + WIDTH<Real> - 1) / WIDTH<Real> * WIDTH<Real>;
}

/// Begins where a vector may.
template <class T> struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U> AlignedAllocator(const AlignedAllocator<U> &) {}
  T *allocate(std::size_t n)
  {
    return static_cast<T *>(::operator new(n * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T *p, std::size_t) { ::operator delete(p, std::align_val_t(64)); }
  bool operator==(const AlignedAllocator &) const { return true; }
};

template <class T> using Buffer = std::vector<T, AlignedAllocator<T>>;

}    // namespace hopkin::nequip
