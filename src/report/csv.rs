//! A sheet as comma-separated values: exact figures, one header line.

use super::sheet::Sheet;

/// Writes a sheet.
///
/// # Errors
/// What the writer reports.
pub fn write<Name: AsRef<[u8]>>(sheet: &Sheet<Name>, out: impl std::io::Write) -> std::io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    // A terminal's per cent is a fraction here. A column without a name repeats the one before it for people.
    let name = |name: &Name| if name.as_ref() == b"%" { b"share".to_vec() } else { name.as_ref().to_vec() };
    let named = |index: usize| sheet.columns.get(index).is_none_or(|name| !name.as_ref().is_empty());
    writer.write_record(sheet.columns.iter().filter(|name| !name.as_ref().is_empty()).map(name))?;
    for row in &sheet.rows {
        let cells = row.iter().enumerate().filter(|(index, _)| named(*index));
        writer.write_record(cells.map(|(_, cell)| cell.exact().trim_start().to_owned()))?;
    }
    writer.flush()
}
