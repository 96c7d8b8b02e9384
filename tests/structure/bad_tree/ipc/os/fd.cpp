#include <ipc/fd.hpp>
#include <boost/serialization/vector.hpp>  // expect serialization
