/* zip_format.h: the numbers of the ZIP format that its reader and its writer share. */
#ifndef JH_BASE_ZIP_FORMAT_H
#define JH_BASE_ZIP_FORMAT_H

enum {
  JH_ZIP_LOCAL_MARK = 0x04034b50,
  JH_ZIP_RECORD_MARK = 0x02014b50,
  JH_ZIP_END_MARK = 0x06054b50,
  JH_ZIP_END64_LOCATOR_MARK = 0x07064b50,
  JH_ZIP_LOCAL_BYTES = 30,  /* of the header before an entry, without name and extra data */
  JH_ZIP_RECORD_BYTES = 46, /* of an entry in the directory */
  JH_ZIP_END_BYTES = 22,
  JH_ZIP_STORED = 0,
  JH_ZIP_DEFLATED = 8,
  JH_ZIP_EXTRA_TIME = 0x5455
};

#endif
