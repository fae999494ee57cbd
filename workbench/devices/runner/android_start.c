/* How a program begins on Android's C library, for builds without the NDK (workbench/devices/toolchain/build.py).

   The rest is compiled against another C library's headers; only functions and values that the kernel fixes are used,
   so that the two libraries' own constants and structures never meet. */
typedef void (*Handler)(void);

/* Null lists of initialisers and finishers: the runner has none. Later versions of the library read more fields than
   the first three. */
static const struct {
  Handler *lists[8];
} structors;

void __libc_init(void *raw, void (*on_exit)(void), int (*main)(int, char **, char **), const void *structors);
int main(int count, char **arguments, char **environment);
int *__errno(void);
int *__errno_location(void);

/* errno has another name there. */
int *__errno_location(void) { return __errno(); }

__attribute__((used)) static void begin(void *raw) { __libc_init(raw, 0, main, &structors); }

/* The kernel leaves the arguments at the top of the stack. */
#if defined(__aarch64__)
__asm__(".globl _start\n.type _start,%function\n_start:\n mov x29, #0\n mov x30, #0\n mov x0, sp\n b begin\n");
#elif defined(__x86_64__)
__asm__(".globl _start\n.type _start,@function\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n hlt\n");
#else
#error "only arm64 and x86_64"
#endif
