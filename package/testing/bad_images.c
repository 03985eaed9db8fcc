// Images that the parser must refuse, chosen by a macro.

#if defined(MUTABLE_DATA)
int counter = 1;
int test_entry(void) { return ++counter; }
#elif defined(UNDEFINED_SYMBOL)
extern int elsewhere(int);
int test_entry(void) { return elsewhere(1); }
#elif defined(THREAD_LOCAL)
_Thread_local int value = 3;
int test_entry(void) { return value; }
#elif defined(INITIALIZER)
int test_entry(void) { return 1; }
__attribute__((constructor)) void start(void) { __asm__ volatile("" ::: "memory"); }
#endif
