/* Loaded before everything else in tests with the leak checker: libraries stay loaded, so that it
 * can name the library that a leak comes from, and lsan.supp can be understood. */
int dlclose(void *handle);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
