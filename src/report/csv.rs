//! A sheet as comma-separated values: exact figures, one header line.

use super::sheet::Sheet;

/// Writes a sheet.
///
/// # Errors
/// What the writer reports.
pub fn write<Name: AsRef<[u8]>>(sheet: &Sheet<Name>, out: impl std::io::Write) -> std::io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    // A terminal's per cent is a fraction here.
    let name = |name: &Name| if name.as_ref() == b"%" { b"share".to_vec() } else { name.as_ref().to_vec() };
    writer.write_record(sheet.columns.iter().map(name))?;
    for row in &sheet.rows {
        writer.write_record(row.iter().map(|cell| cell.exact().trim_start().to_owned()))?;
    }
    writer.flush()
}
