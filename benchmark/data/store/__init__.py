"""The one store every data set is read from: files, writer, verification."""
